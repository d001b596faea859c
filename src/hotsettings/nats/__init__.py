"""Layers from NATS JetStream key-value: the same settings on many machines. Needs the extra ``nats``.

a key of a bucket -> a value  store (session, following, replica, connection)
what went live -> a file      last_good (copies)
what was applied -> a report  accompanying (reports)
"""

from .reports import Report
from .store import NatsStore

__all__ = ["NatsStore", "Report"]
