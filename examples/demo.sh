#!/bin/sh
# Loads the example application's settings, shows where each comes from, breaks an override to show the report, and then
# follows the files while they are edited.
# Run it with `make demo`, or by hand from the root of the checkout: sh examples/demo.sh [path/to/hotsettings]
set -eu

hotsettings=$(command -v "${1:-hotsettings}")
case $hotsettings in /*) ;; *) hotsettings=$PWD/$hotsettings ;; esac
settings=integr8scode.settings:Settings
override=config.coordinator.toml

say() {
    echo
    for line in "$@"; do echo "# $line"; done
    echo
}

run() {
    echo "\$ hotsettings $*"
    "$hotsettings" "$@"
}

if [ -e secrets.toml ] || [ -L secrets.toml ]; then
    say "Your own secrets.toml is used as it is."
else
    (umask 077 && cp secrets.example.toml secrets.toml)
    say "Made secrets.toml from secrets.example.toml, readable by you alone. Git ignores it."
fi

say "1. What the coordinator runs with: config.toml, secrets.toml and $override put together," \
    "   each value with the file and line that it comes from. Secrets are masked."
run show "$settings" --override "$override"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/hotsettings-demo.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
broken=$scratch/config.broken.toml
cat >"$broken" <<'TOML'
# Four mistakes.
KAFKA_CONSUMER_GRUOP_ID = "execution-coordinator"
K8S_POD_EXECUTION_TIMEOUT = "5s"
KAFKA_AUTO_OFFSET_RESET = "newest"
TRACING_SAMPLING_RATE = 1.5
TOML

say "2. The same with an override that somebody got wrong:"
cat "$broken"
echo
status=0
run check "$settings" --override "$broken" || status=$?
if [ "$status" -ne 1 ]; then
    echo "The check should have ended with status 1 (problems found); it ended with $status." >&2
    exit 1
fi

say "What you saw: all the mistakes at once, each with its file, line and column and what was expected there." \
    "The check ended with status $status, so it can stand in a deployment script or a git hook." \
    "" \
    "3. The same settings live: a process that follows its files."

if [ -t 0 ] && [ -t 1 ]; then
    say "Edit config.toml, secrets.toml or $override in another window, and watch what happens here. Try:" \
        "  another KAFKA_MAX_POLL_RECORDS   is live at once" \
        "  KAFKA_MAX_POLL_RECORDS = \"many\"   is rejected, and the old value stays live" \
        "  another WEB_TIMEOUT              waits for a restart"
    run watch "$settings" --override "$override" || true
else
    cp config.toml secrets.toml "$override" "$scratch"
    cd "$scratch"
    : >watch.out
    "$hotsettings" watch "$settings" --override "$override" >watch.out 2>&1 &
    watch=$!
    trap 'kill $watch 2>/dev/null; rm -rf "$scratch"' EXIT

    # Waits until so many lines have been printed, so that each edit is seen before the next one.
    printed() {
        tries=0
        while [ "$(wc -l <watch.out)" -lt "$1" ]; do
            tries=$((tries + 1))
            if [ $tries -gt 100 ]; then
                echo "The watching process has not said what it should have:" >&2
                cat watch.out >&2
                exit 1
            fi
            sleep 0.1
        done
    }

    edit() {
        sed "s/^$1 = .*/$1 = $2/" config.toml >edited
        mv edited config.toml
    }

    printed 1
    edit KAFKA_MAX_POLL_RECORDS 250
    printed 2
    edit KAFKA_MAX_POLL_RECORDS '"many"'
    printed 3
    edit KAFKA_MAX_POLL_RECORDS 100
    printed 4
    edit WEB_TIMEOUT 90
    printed 5
    say "A copy of the files was edited four times: a new value, a wrong one, a right one, one that needs a restart." \
        "This is what the watching process printed:"
    cat watch.out
    cd "$OLDPWD"
fi

say "Try next, in this folder:" \
    "  watch and edit             $hotsettings watch $settings --override $override" \
    "  break config.toml, then    $hotsettings check $settings" \
    "  another worker's values    $hotsettings show $settings --override config.k8s-worker.toml" \
    "  the same in Python         .venv/bin/python -c 'from integr8scode.settings import Settings; print(Settings())'" \
    "  what else there is         $hotsettings --help"
