"""Loads case after case, in a process that may die of it. Before each it says its number, after it what was wrong, if anything.

Started as a script, with the seed, the first number, and where to put the files.
"""

from __future__ import annotations

import faulthandler
import io
import json
import logging
import os
import pickle
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from hotsettings import FileLayer, FolderLayer, InvalidSettings, LayerError, use_parser
from support.fuzz.cases import Case, KeyFiles, case, class_of, keys_in, put
from support.loading_worker import slowness

logger = logging.getLogger("hotsettings")

STACK: Final = 512 * 1024
SECONDS: Final = 1.5
"""Of the processor, for three layers; with tomllib for each."""


def judged(this: Case, folder: Path, cls: Any) -> dict[str, Any]:
    """Load a case on this thread; what is ``wrong`` with the outcome is empty if nothing is."""
    names = ("config", "secrets", "override")
    paths = [folder / f"{name}.toml" for name in names]
    for path, data in zip(paths, this.layers, strict=True):
        put(path, data)
    layers = [
        (FolderLayer if isinstance(data, KeyFiles) else FileLayer)(path, name=name, secret=name == "secrets")
        for name, path, data in zip(names, paths, this.layers, strict=True)
        if data is not None
    ]
    override = paths[2] if this.layers[2] is not None else None
    use_parser("tomllib" if this.parser == "tomllib" else "toml_rs")
    wrong, log = "", io.StringIO()
    handler = logging.StreamHandler(log)
    logger.addHandler(handler)
    start = time.thread_time()
    try:
        if any(isinstance(layer, FolderLayer) for layer in layers):
            cls(layers=layers)
        else:
            cls(paths[0], secrets_path=paths[1], override_path=override)
        outcome = "settings"
    except (LayerError, InvalidSettings) as error:
        outcome = type(error).__name__
        shown = f"{error}\n{error!r}".encode() + pickle.dumps(error)
        if this.canary in shown and this.canary not in keys_in(this.layers[1]):
            wrong = "a value of the secrets file shows"
        elif error.__context__ is not None or error.__cause__ is not None:
            wrong = "an error has a chain"
    except BaseException as error:  # an UnforeseenError too
        outcome, wrong = type(error).__name__, f"{type(error).__name__}: {str(error)[:500]}"
    finally:
        use_parser("toml_rs")
        logger.removeHandler(handler)
    seconds = time.thread_time() - start
    if this.canary.decode() in log.getvalue() and this.canary not in keys_in(this.layers[1]):
        wrong = wrong or "a value of the secrets file is logged"
    most = SECONDS if this.parser == "toml_rs" else SECONDS * sum(data is not None for data in this.layers)
    if not wrong and seconds > most and (pace := slowness()) * most < seconds:
        wrong = f"{seconds:.1f} s of the processor, on a machine {pace:.1f} times slower than the limit is for"
    return {"outcome": outcome, "wrong": wrong, "seconds": seconds}


def on_a_small_stack(this: Case, folder: Path, cls: Any) -> dict[str, Any]:
    results: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: results.append(judged(this, folder, cls)))
    thread.start()
    thread.join()
    return results[0]


def main(seed: int, index: int, folder: Path) -> None:
    faulthandler.enable()
    logger.propagate = False
    threading.stack_size(STACK)
    while True:
        os.write(1, b"%d\n" % index)
        this = case(seed, index)
        result = on_a_small_stack(this, folder, class_of(seed, this.number))
        os.write(1, json.dumps(result).encode() + b"\n")
        index += 1


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
