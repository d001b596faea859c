"""The one logger: quiet below WARNING by default, and useful at INFO."""

import logging

logger = logging.getLogger("hotsettings")
