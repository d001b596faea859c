"""Layers from NATS JetStream key-value: the same settings on many machines. Needs the extra ``nats``.

store          NatsStore, the face
session        one connection after the other (connection), with a subscription over each of them
subscription   keeps a replica of the bucket up to date
companion      beside a live object: keeps its copy on disk (disk_copy) and its report (reporter) up to date
reports        what is in a report; report_reader reads those of all processes
bucket         reads a bucket; publishing writes to it
"""

from .reports import Report
from .store import NatsStore

__all__ = ["NatsStore", "Report"]
