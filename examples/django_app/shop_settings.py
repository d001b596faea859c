"""Django's own settings. They are read once, so in hotsettings they are marked as keys that need a restart."""

from typing import Annotated

from msgspec import Meta

from hotsettings import BaseSettings, RestartRequired, Secret


class Settings(BaseSettings):
    SECRET_KEY: Secret[RestartRequired[Annotated[str, Meta(min_length=32)]]]
    DEBUG: RestartRequired[bool] = False
    ALLOWED_HOSTS: RestartRequired[tuple[str, ...]] = ()
    GREETING: str = "Hello"


HOTSETTINGS = live = Settings.watch().start()

SECRET_KEY = live.current.SECRET_KEY
DEBUG = live.current.DEBUG
ALLOWED_HOSTS = list(live.current.ALLOWED_HOSTS)
ROOT_URLCONF = "main"
MIDDLEWARE = ["hotsettings.integrations.django.PinnedSettings", "django.middleware.common.CommonMiddleware"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(process)d %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},  # or nobody hears why an edit was rejected
}
