"""The one logger: quiet below WARNING by default, and useful at INFO."""

import logging

AS_EVENT = {"as_event": True}
"""Marks records whose content is also told as an event, so that whoever prints both can leave one out."""

logger = logging.getLogger("hotsettings")
