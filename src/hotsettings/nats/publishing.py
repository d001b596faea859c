"""Writing into a bucket: against the revision that was looked at, and always knowing how it ended.

A write that got no answer may have been stored or not. So each publish has a sign of its own, the header ``Nats-Msg-Id``, and
is tried again with the same sign against the same revision. Of all its attempts the store takes one at most, and which of
them, or that it was none, the revision that follows the expected one tells.
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
"""Revisions of each key that a bucket keeps, where it is made here: the most that the store allows."""
WITHIN = 30.0
"""Seconds for which a write without an answer is tried again. A cluster elects its leaders in less."""
_BETWEEN = 0.25
"""Seconds between two attempts."""

_TAKEN = (10071, 10164, 10158)
"""The server's codes for: the last revision is not the expected one, and: something with the same sign is under way."""


class Conflict(PublishingError):
    """Raised when somebody else has written in between. Nothing has been written.

    ``expected`` is the revision that was to be replaced, 0 for none, and ``revision`` the newest one, 0 for none.
    """

    title = "Not published"

    def __init__(self, problem: Problem, expected: int, revision: int) -> None:
        super().__init__(problem)
        self.args = (problem, expected, revision)
        self.expected = expected
        self.revision = revision


class OutcomeUnknown(PublishingError):
    """Raised when the store has not said in time whether something was written, and cannot be asked either."""

    title = "Perhaps published"


class _Unclear(Exception):
    """An attempt ended without an answer; ``perhaps_written`` tells whether the store may have got it."""

    def __init__(self, reason: str, perhaps_written: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.perhaps_written = perhaps_written


async def publish(where: Servers, bucket: str, key: str, data: bytes, expected: int, within: float = WITHIN) -> int:
    """Write under a key if ``expected`` is its newest revision, 0 for a new key; return the new revision.

    Where there is no answer, it is tried again over new connections, for ``within`` seconds. Raises Conflict, Refused,
    NoBucket or LayerError, and then nothing was written, or OutcomeUnknown.
    """
    refuse_key(bucket, key)
    sign = uuid.uuid4().hex
    deadline = anyio.current_time() + within
    perhaps_written = False
    while True:
        try:
            async with reached(where, bucket) as open_bucket:
                return await _attempt(open_bucket, key, data, expected, sign)
        except _Unclear as unclear:
            perhaps_written |= unclear.perhaps_written
            failed = Unreachable(where, unclear.reason)
        except Unreachable as error:
            failed = error
        if anyio.current_time() + _BETWEEN > deadline:
            break
        await anyio.sleep(_BETWEEN)
    if not perhaps_written:
        raise failed
    raise _unknown(bucket, key, expected, within, failed)


async def _attempt(bucket: Bucket, key: str, data: bytes, expected: int, sign: str) -> int:
    """Write once; return the revision, also where an earlier attempt with this sign has written it."""
    headers: dict[str, Any] = {Header.EXPECTED_LAST_SUBJECT_SEQUENCE: str(expected), Header.MSG_ID: sign}
    origin = bucket.origin(key)
    try:
        subject = f"$KV.{bucket.name}.{key}"
        written = await bucket.answer(bucket.js.publish(subject, data, headers=headers, stream=bucket.stream))
    except MaxPayloadError:
        why = f"{len(data)} bytes are more than the server takes at once"
        hint = "raise its max_payload, or publish less"
        raise Refused(Problem("", why, origin, hint, "publish-refused")) from None
    except (ServiceUnavailableError, NoStreamResponseError) as error:
        raise _Unclear(described(error, bucket.where), perhaps_written=False) from None
    except APIError as error:
        if error.err_code in _TAKEN:
            return await _own(bucket, key, expected, sign)
        hint = "the server's configuration says why"
        raise Refused(Problem("", described(error, bucket.where), origin, hint, "publish-refused")) from None
    except (NatsError, OSError, TimeoutError) as error:
        raise _Unclear(described(error, bucket.where), perhaps_written=True) from None
    else:
        return written.seq


async def _own(bucket: Bucket, key: str, expected: int, sign: str) -> int:
    """The revision on top of the expected one, if an earlier attempt of our own has written it.

    Raises Conflict if that was somebody else, and _Unclear while there is none.
    """
    try:
        first, newest = await bucket.following(key, expected), await bucket.newest(key)
    except Unreachable as error:
        raise _Unclear(error.reason, perhaps_written=True) from None
    if first is not None and first.sign == sign:
        return first.number
    if first is None and newest is not None and newest.number == expected:
        raise _Unclear("what was written on top is not to be seen yet", perhaps_written=True)
    raise conflict(bucket.name, key, expected, newest)


def conflict(bucket: str, key: str, expected: int, newest: Revision | None) -> Conflict:
    """The error for a key whose newest revision is not the expected one."""
    number = newest.number if newest is not None else 0
    at = f" ({newest.at:%Y-%m-%d %H:%M:%S} UTC)" if newest is not None and newest.at is not None else ""
    if not number:
        what = f"there is no revision {expected}, nor any other"
    elif number < expected:
        what = f"there is no revision {expected}; the newest one is {number}{at}"
    else:
        what = f"revision {number}{at} has come in between" + (f", after {expected}" if expected else "")
    hint = "look at the difference again, and publish again if it is still right"
    origin = Origin("store", f"{bucket}/{key}")
    return Conflict(Problem("", what, origin, hint, "publish-conflict"), expected, number)


def _unknown(bucket: str, key: str, expected: int, within: float, failed: Unreachable) -> OutcomeUnknown:
    why = f"no answer within {within:g} s whether it was written: cannot be reached: {failed.reason}"
    hint = f"see what hotsettings history shows above revision {expected}; if nothing, whether this user may publish"
    return OutcomeUnknown(Problem("", why, Origin("store", f"{bucket}/{key}"), hint, "publish-unknown"))


async def create_bucket(where: Servers, name: str, replicas: int = 1) -> None:
    """Make a bucket that keeps the last 64 revisions of each key, on so many servers; one that is there stays as it is.

    Raises Refused, and LayerError if the store does not answer.
    """
    try:
        async with reached(where, name):
            return
    except NoBucket:
        pass
    async with connected(where) as (client, lost):
        config = KeyValueConfig(name, "Settings, a TOML document each", history=HISTORY, replicas=replicas)
        bucket = Bucket(where, client, lost, name)
        try:
            await bucket.answer(bucket.js.create_key_value(config))
        except (BadRequestError, ServerError) as error:
            origin = Origin("store", f"{where} {name}")
            hint = "there may be fewer servers than replicas" if replicas > 1 else "may this user make one?"
            what = f"the bucket cannot be made: {described(error, where)}"
            raise Refused(Problem("", what, origin, hint, "publish-refused")) from None
        except (NatsError, OSError, TimeoutError) as error:
            raise unreachable(where, error) from None
