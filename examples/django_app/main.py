"""A Django project: its own settings come from hotsettings, and each request has one snapshot of the others.

cp secrets.example.toml secrets.toml
gunicorn --workers 3 --bind 127.0.0.1:8000 main:application     # or with --preload, or: python main.py runserver 8000
curl http://127.0.0.1:8000/                                     # then edit GREETING in config.toml
curl http://127.0.0.1:8000/health                               # DEBUG, once edited, waits for a restart

The settings are followed from when Django reads its own, in shop_settings.py. With --preload that is before gunicorn forks its
workers: each worker goes on by itself.
"""

import os
import sys

from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from shop_settings import Settings, live

from hotsettings.integrations.django import settings_of

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop_settings")


def greet(request: HttpRequest) -> JsonResponse:
    settings = settings_of(request, Settings)
    return JsonResponse({"greeting": settings.GREETING})


def health(request: HttpRequest) -> JsonResponse:
    status = live.status
    # Anybody may ask, so why an edit was rejected stands in the log alone.
    return JsonResponse(
        {
            "pid": os.getpid(),
            "digest": live.snapshot.digest,
            "healthy": status.healthy,
            "pending_restart": sorted(status.pending_restart),
        }
    )


urlpatterns = [path("", greet), path("health", health)]
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
