"""`history`, with a real server."""

import pytest
from support.command import CLASS, Run, Store


def test_history(run: Run, store: Store) -> None:
    store.put("config.toml", 'NAME = "a"\nTOKEN = "cAnArY-one"\n')
    store.put("other.toml", "")
    store.put("config.toml", 'NAME = "b"\nTOKEN = "cAnArY-two"\nMISSPELT = "cAnArY"\n')
    store.put("config.toml", '# only a comment\nNAME = "b"\nTOKEN = "cAnArY-two"\nMISSPELT = "cAnArY"\n')
    store.put("config.toml", "", delete=True)
    store.put("config.toml", "NAME = \n")
    store.put("config.toml", 'NAME = "c"\n')
    result = run("history", CLASS, "config.toml", *store.options)
    assert result.code == 0
    label = f"{store.bucket}/config.toml"
    lines = [line for line in result.out.splitlines() if "UTC" not in line]
    assert lines[0].startswith(f"    cannot be read: {label}@6:1:8  not valid TOML: ")
    assert lines[1:] == [
        '    NAME  "b" → not set',
        "    TOKEN  ******** → not set",
        "    MISSPELT  ******** → not set",
        "    no key differs",
        '    NAME  "a" → "b"',
        "    TOKEN  ******** → ********",
        "    MISSPELT  not set → ********",
    ]
    heads = [line.split("  ") for line in result.out.splitlines() if "UTC" in line]
    assert [head[0] for head in heads] == ["7", "6", "5", "4", "3", "1"]
    assert [head[2] for head in heads] == ["11 bytes", "8 bytes", "deleted", "69 bytes", "52 bytes", "32 bytes"]
    assert [head[3:] for head in heads] == [[]] * 5 + [["(the oldest that is kept)"]]
    assert "cAnArY" not in result.out + result.err

    json = run("history", CLASS, "config.toml", "--json", *store.options)
    found = json.json()
    assert [each["revision"] for each in found] == [7, 6, 5, 4, 3, 1]
    assert [each["operation"] for each in found] == ["PUT", "PUT", "DEL", "PUT", "PUT", "PUT"]
    assert [each["size"] for each in found] == [11, 8, None, 69, 52, 32]
    assert [each["changes"] for each in found[:2]] == [None, None]
    assert found[4]["changes"] == {
        "NAME": {"old": "a", "new": "b"},
        "TOKEN": {"old": "********", "new": "********"},
        "MISSPELT": {"old": None, "new": "********"},
    }
    assert [each["problem"] is None for each in found] == [True, False, True, True, True, True]
    assert all(each["at"].endswith("Z") for each in found)
    assert "cAnArY" not in json.out


def test_nothing_was_ever_there(run: Run, store: Store) -> None:
    result = run("history", CLASS, "nothing.toml", *store.options)
    assert (result.code, result.out) == (1, "")
    label = f"{store.bucket}/nothing.toml"
    assert result.err == (
        f"Not possible: {label}  nothing was ever published under this key; "
        f"to publish it: hotsettings publish {CLASS} nothing.toml\n"
    )
    json = run("history", CLASS, "nothing.toml", "--json", *store.options)
    assert (json.code, json.err) == (1, "")
    assert json.json()["problems"][0]["file"] == label


@pytest.mark.parametrize(
    "command",
    [
        ["publish", CLASS, "config.toml"],
        ["history", CLASS, "config.toml"],
        ["history", CLASS, "config.toml", "--json"],
        ["rollback", CLASS, "config.toml", "1"],
        ["fleet"],
    ],
    ids=" ".join,
)
def test_a_store_that_is_away_is_no_problem_of_the_files(run: Run, command: list[str]) -> None:
    result = run(*command, "--url", "nats://127.0.0.1:1")
    assert result.code == 3
    if "--json" in command:
        assert [problem["code"] for problem in result.json()["problems"]] == ["store-unreachable"]
    else:
        assert "cannot be reached" in result.err
        assert result.out == ""
