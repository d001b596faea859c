#!/bin/sh
# Loads the example application's settings, shows where each comes from, then breaks an override to show the report.
# Run it with `make demo`, or by hand from the root of the checkout: sh examples/demo.sh [path/to/hotsettings]
set -eu

hotsettings=${1:-hotsettings}
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
    "Try next, in this folder:" \
    "  break config.toml, then    $hotsettings check $settings" \
    "  another worker's values    $hotsettings show $settings --override config.k8s-worker.toml" \
    "  the same in Python         .venv/bin/python -c 'from integr8scode.settings import Settings; print(Settings())'" \
    "  what else there is         $hotsettings --help"
