"""Writes to a bucket by compare-and-set, and finds out whether a write without an answer was stored.

A write that gets no answer may have been stored or not. So each publish has an id of its own, in the header ``Nats-Msg-Id``,
and each attempt repeats the same id and the same expected revision. The store accepts at most one of the attempts. The first
revision after the expected one shows whether it was one of them: it has the id.
"""

from __future__ import annotations

import uuid
from typing import Any

import anyio
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError
from nats.js.api import Header, KeyValueConfig
from nats.js.errors import APIError, BadRequestError, NoStreamResponseError, ServerError, ServiceUnavailableError

from ..errors import Origin, Problem
from .bucket import Bucket, NoBucket, PublishingError, Refused, Revision, reached, refuse_key
from .connection import Servers, Unreachable, connected, described, unreachable

HISTORY = 64
"""Revisions of each key that a bucket made here keeps: the most that the store allows."""
WITHIN = 30.0
"""Seconds for which a write without an answer is tried again. A cluster elects a leader in less time."""
_BETWEEN = 0.25
"""Seconds between two attempts."""

_TAKEN = (10071, 10164, 10158)
"""Error codes of the server: the newest revision is not the expected one, or a message with this id is being stored."""


class Conflict(PublishingError):
    """Raised when somebody else has written first. Nothing was written.

    ``expected`` is the revision that was to be replaced, and ``revision`` the newest one. 0 stands for none.
    """

    title = "Not published"

    def __init__(self, problem: Problem, expected: int, revision: int) -> None:
        super().__init__(problem)
        self.args = (problem, expected, revision)
        self.expected = expected
        self.revision = revision


class OutcomeUnknown(PublishingError):
    """Raised when it is not known whether something was written, because the store does not answer."""

    title = "Perhaps published"


class _Unclear(Exception):
    """Raised when an attempt ends without an answer. ``perhaps_written``: the store may have received it."""

    def __init__(self, reason: str, perhaps_written: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.perhaps_written = perhaps_written


async def publish(servers: Servers, bucket: str, key: str, data: bytes, expected: int, within: float = WITHIN) -> int:
    """Write to a key if ``expected`` is its newest revision, or 0 if the key is new. Return the new revision.

    Without an answer it tries again over new connections for ``within`` seconds. Raises OutcomeUnknown if there is none until
    then. After Conflict, Refused, NoBucket and LayerError, nothing was written.
    """
    refuse_key(bucket, key)
    message_id = uuid.uuid4().hex
    deadline = anyio.current_time() + within
    perhaps_written = False
    while True:
        try:
            async with reached(servers, bucket) as open_bucket:
                return await _attempt(open_bucket, key, data, expected, message_id)
        except _Unclear as unclear:
            perhaps_written |= unclear.perhaps_written
            failed = Unreachable(servers, unclear.reason)
        except Unreachable as error:
            failed = error
        if anyio.current_time() + _BETWEEN > deadline:
            break
        await anyio.sleep(_BETWEEN)
    if not perhaps_written:
        raise failed
    raise _unknown(bucket, key, expected, within, failed)


async def _attempt(bucket: Bucket, key: str, data: bytes, expected: int, message_id: str) -> int:
    """Write once. Return the revision, even if an earlier attempt with this id has written it."""
    headers: dict[str, Any] = {Header.EXPECTED_LAST_SUBJECT_SEQUENCE: str(expected), Header.MSG_ID: message_id}
    origin = bucket.origin(key)
    try:
        subject = f"$KV.{bucket.name}.{key}"
        written = await bucket.answer(bucket.js.publish(subject, data, headers=headers, stream=bucket.stream))
    except MaxPayloadError:
        why = f"{len(data)} bytes are more than the server accepts in one message"
        hint = "raise its max_payload, or publish less"
        raise Refused(Problem("", why, origin, hint, "publish-refused")) from None
    except (ServiceUnavailableError, NoStreamResponseError) as error:
        raise _Unclear(described(error, bucket.servers), perhaps_written=False) from None
    except APIError as error:
        if error.err_code in _TAKEN:
            return await _own(bucket, key, expected, message_id)
        hint = "the configuration of the server says why"
        raise Refused(Problem("", described(error, bucket.servers), origin, hint, "publish-refused")) from None
    except (NatsError, OSError, TimeoutError) as error:
        raise _Unclear(described(error, bucket.servers), perhaps_written=True) from None
    else:
        return written.seq


async def _own(bucket: Bucket, key: str, expected: int, message_id: str) -> int:
    """Return the revision that an earlier attempt of our own has written on top of the expected one.

    Raises Conflict if somebody else has written it, and _Unclear while there is none.
    """
    try:
        first, newest = await bucket.after(key, expected), await bucket.newest(key)
    except Unreachable as error:
        raise _Unclear(error.reason, perhaps_written=True) from None
    if first is not None and first.message_id == message_id:
        return first.number
    if first is None and newest is not None and newest.number == expected:
        raise _Unclear("the newest revision cannot be read yet", perhaps_written=True)
    raise conflict(bucket.name, key, expected, newest)


def conflict(bucket: str, key: str, expected: int, newest: Revision | None) -> Conflict:
    """Return the error for a key whose newest revision is not the expected one."""
    number = newest.number if newest is not None else 0
    at = f" ({newest.at:%Y-%m-%d %H:%M:%S} UTC)" if newest is not None and newest.at is not None else ""
    if not number:
        what = f"there is no revision {expected}, nor any other"
    elif number < expected:
        what = f"there is no revision {expected}; the newest one is {number}{at}"
    else:
        what = f"revision {number}{at} has come in between" + (f", after {expected}" if expected else "")
    hint = "compare again, and publish again if it is still right"
    origin = Origin("store", f"{bucket}/{key}")
    return Conflict(Problem("", what, origin, hint, "publish-conflict"), expected, number)


def _unknown(bucket: str, key: str, expected: int, within: float, failed: Unreachable) -> OutcomeUnknown:
    why = f"no answer within {within:g} s whether it was written: cannot be reached: {failed.reason}"
    hint = (
        f"look for a revision after {expected} with hotsettings history; if there is none, this user may lack the right"
    )
    return OutcomeUnknown(Problem("", why, Origin("store", f"{bucket}/{key}"), hint, "publish-unknown"))


async def create_bucket(servers: Servers, name: str, replicas: int = 1) -> None:
    """Make a bucket that keeps the last 64 revisions of each key on ``replicas`` servers, unless it exists.

    Raises Refused, and LayerError if the store does not answer.
    """
    try:
        async with reached(servers, name):
            return
    except NoBucket:
        pass
    async with connected(servers) as (client, lost):
        config = KeyValueConfig(name, "Settings: a TOML document under each key", history=HISTORY, replicas=replicas)
        bucket = Bucket(servers, client, lost, name)
        try:
            await bucket.answer(bucket.js.create_key_value(config))
        except (BadRequestError, ServerError) as error:
            origin = Origin("store", f"{servers} {name}")
            hint = (
                "there may be fewer servers than replicas"
                if replicas > 1
                else "this user may not have the right to make one"
            )
            what = f"the bucket cannot be made: {described(error, servers)}"
            raise Refused(Problem("", what, origin, hint, "publish-refused")) from None
        except (NatsError, OSError, TimeoutError) as error:
            raise unreachable(servers, error) from None
