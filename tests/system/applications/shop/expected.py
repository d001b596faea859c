"""What is expected of the shop's settings."""

import re
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from support.applications import Application, Difference, Edit, Entry, Mistake, Place
from system.applications.shop.settings import Handler, LocalCache, Settings, Sqlite, layers

SECRETS = "secrets"
HIDDEN = "********"
POSTGRES = "django.db.backends.postgresql"


def secret(key: str) -> str:
    return f"secrets/{key}:1:1"


APPLICATION = Application(
    name="shop",
    settings=Settings,
    layers=layers,
    loaded={
        ("ALLOWED_HOSTS",): ("shop.example.com",),
        ("BASE_DIR",): Path("/srv/shop"),
        ("TIME_ZONE",): ZoneInfo("Europe/Zurich"),
        ("LANGUAGES", 1, 1): "Français",
        ("ADMINS", 'O\'Neil, "Sam"'): "sam@shop.example.com",
        ("WEB_CONCURRENCY",): 16,
        ("MIDDLEWARE", 3): "shop.middleware.CurrencyMiddleware",
        ("TEMPLATES", 0, "DIRS"): (Path("templates"), Path("themes/alpine")),
        ("TEMPLATES", 0, "OPTIONS", "context_processors", 1): "shop.context.cart",
        ("TEMPLATES", 1, "APP_DIRS"): False,
        ("DATABASES", "default", "HOST"): "primary.db.internal",
        ("DATABASES", "default", "PORT"): 5432,
        ("DATABASES", "analytics", "PASSWORD"): "00735501",
        ("DATABASES", "analytics", "CONN_MAX_AGE"): 300,
        ("DATABASES", "analytics", "OPTIONS"): {"sslmode": "require", "connect_timeout": 3, "application_name": "shop"},
        ("CACHES", "default", "MAX_CONNECTIONS"): 200,
        ("CACHES", "default", "TIMEOUT"): 600,
        ("CACHES", "templates"): LocalCache(MAX_ENTRIES=500),
        ("STORAGES", "media", "SECRET_KEY"): 'wJalrFAKE/KEY+of=the"shop',
        ("SESSION_COOKIE_AGE",): 1209600,
        ("CORS_ALLOWED_ORIGINS", 1): re.compile(r"^https://partner\.example\.org$"),
        ("THROTTLES", "login", "PER"): timedelta(minutes=1),
        ("EMAIL", "HOST"): "smtp.shop.internal",
        ("EMAIL", "PORT"): 465,
        ("EMAIL", "PASSWORD"): 'mailbox "quoted" \\ word',
        ("PAYMENT", "WEBHOOK_SECRETS"): ("whsec_old_tangerine", "whsec_new_sapphire"),
        ("LOGGING", "HANDLERS", "file"): Handler(CLASS="logging.handlers.RotatingFileHandler"),
        ("FEATURES", "checkout.v2"): True,
        ("DATABASE_URL",): "postgresql://shop:p%40ss%2Fw%3Ard%23of%3Fshop@primary.db.internal:5432/shop",
        ("SITE_URL",): "https://shop.example.com/",
    },
    explained={
        "ALLOWED_HOSTS": [
            Entry(["shop.example.com"], Place("production.toml", "ALLOWED_HOSTS = ¦")),
            Entry(["shop.example.com", "www.shop.example.com"], Place("base.toml", "\nHOSTS = ¦"), live=False),
        ],
        "DATABASES.default.HOST": [Entry("primary.db.internal", Place("production.toml", "HOSTNAME = ¦"))],
        "DATABASES.default.ENGINE": [
            Entry(POSTGRES, Place("production.toml", "ENGINE = ¦")),
            Entry(
                "django.db.backends.sqlite3", Place("base.toml", 'ENGINE = ¦"django.db.backends.sqlite3"'), live=False
            ),
        ],
        "DATABASES.default.PASSWORD": [Entry(HIDDEN, secret("DATABASES.default.PASSWORD"))],
        "DATABASES.analytics.OPTIONS.connect_timeout": [Entry(3, Place("base.toml", "connect_timeout = ¦"))],
        "DATABASES.analytics.PORT": [Entry(5432, "default")],
        "TEMPLATES[0].OPTIONS.context_processors": [
            Entry(
                ["django.template.context_processors.request", "shop.context.cart"],
                Place("base.toml", "context_processors = ¦"),
            )
        ],
        "TEMPLATES[1].APP_DIRS": [Entry(False, Place("base.toml", "APP_DIRS = ¦"))],
        "CACHES.default.TIMEOUT": [Entry("10m", Place("base.toml", "TIMEOUT = ¦"))],
        "THROTTLES.login.PER": [Entry("1m", Place("base.toml", 'REQUESTS = 5, PER = ¦"1m"'))],
        "EMAIL.SECURITY": [
            Entry("tls", Place("production.toml", "SECURITY = ¦")),
            Entry("starttls", "default", live=False),
        ],
        'FEATURES."checkout.v2"': [
            Entry(True, Place("production.toml", '"checkout.v2" = ¦')),
            Entry(False, Place("base.toml", '"checkout.v2" = ¦'), live=False),
        ],
        "PAYMENT.API_KEY": [Entry(HIDDEN, secret("PAYMENT.API_KEY"))],
        "DATABASE_URL": [Entry(HIDDEN, "derived")],
        "SITE_URL": [Entry("https://shop.example.com/", "derived")],
    },
    summary="Valid: 47 from base.toml, 13 from production.toml, 11 from secrets, 15 by default",
    warnings=[
        ("renamed", "ALLOWED_HOSTS", Place("base.toml", "\n¦HOSTS = ")),
        ("deprecated", "USE_L10N", Place("base.toml", "¦USE_L10N = ")),
        ("unknown-key", "LOGGING.HANDLERS.file.maxBytes", Place("base.toml", "¦maxBytes")),
        ("renamed", "DATABASES.default.HOST", Place("production.toml", "¦HOSTNAME")),
        ("unknown-key", "tls.crt", "secrets/tls.crt"),
    ],
    mistakes=[
        Mistake(
            "base.toml",
            'HOST = "analytics.db.internal"',
            '¦HSOT = "analytics.db.internal"\nHOST = "analytics.db.internal"',
            "DATABASES.analytics.HSOT",
            "unknown-key",
            "unknown key; did you mean DATABASES.analytics.HOST?",
        ),
        Mistake(
            "base.toml",
            "connect_timeout = 3",
            "connect_timeout = ¦3.5",
            "DATABASES.analytics.OPTIONS.connect_timeout",
            "wrong-type",
            "expected bool | int | str, got float; put it in quotes",
        ),
        Mistake(
            "base.toml",
            "APP_DIRS = false",
            'APP_DIRS = ¦"no"',
            "TEMPLATES[1].APP_DIRS",
            "wrong-type",
            "expected bool, got str; write true or false",
        ),
        Mistake(
            "production.toml",
            'PROVIDER = "stripe"',
            'PROVIDER = ¦"strip"',
            "PAYMENT.PROVIDER",
            "not-an-option",
            "expected one of stripe, invoice; did you mean stripe?",
        ),
        Mistake(
            "base.toml",
            'TIMEOUT = "10m"',
            'TIMEOUT = ¦"10 minutes"',
            "CACHES.default.TIMEOUT",
            "rule",
            "write a number of seconds, or a text such as 30s, 5m, 12h, 7d or 2w",
            in_schema=False,
        ),
        Mistake(
            "base.toml",
            'BUCKET = "shop-media"',
            'BUCKET = ¦"Shop Media"',
            "STORAGES.media.BUCKET",
            "no-match",
            "expected str matching regex '^[a-z0-9][a-z0-9.-]{2,62}$'",
        ),
        Mistake(
            "base.toml",
            'INSTALLED_APPS = [\n    "django',
            'INSTALLED_APPS = ¦[\n    "shop.cart-2",\n    "django',
            "INSTALLED_APPS",
            "rule",
            "shop.cart-2 is no dotted name of a class",
            in_schema=False,
        ),
        Mistake(
            "secrets/PAYMENT.WEBHOOK_SECRETS",
            "'whsec_new_sapphire'",
            "¦77",
            "PAYMENT.WEBHOOK_SECRETS",
            "wrong-type",
            "expected str, got int (value hidden)",
        ),
    ],
    shown=[
        "# SECRET_KEY = ********  # secrets/SECRET_KEY:1:1",
        'ADMINS."O\'Neil, \\"Sam\\"" = "sam@shop.example.com"  # base.toml:30:21',
        'DATABASES.default.HOST = "primary.db.internal"  # production.toml:9:12',
        "# DATABASES.default.PASSWORD = ********  # secrets/DATABASES.default.PASSWORD:1:1",
        "DATABASES.default.OPTIONS = {}  # default",
        "DATABASES.analytics.OPTIONS.connect_timeout = 3  # base.toml:59:19",
        'STORAGES.static.BACKEND = "files"  # base.toml:75:11',
        'THROTTLES.login.PER = "PT60S"  # base.toml:84:31',
        'FEATURES."checkout.v2" = true  # production.toml:24:17',
        "# DATABASE_URL = ********  # derived from DATABASES",
        '# SITE_URL = "https://shop.example.com/"  # derived from DEBUG, ALLOWED_HOSTS',
    ],
    secrets={
        ("SECRET_KEY",): "tWkq8-zebra-lantern-orchid-mango-52-harbour",
        ("SECRET_KEY_FALLBACKS", 0): "old-key-of-last-year-quartz-velvet-1",
        ("SECRET_KEY_FALLBACKS", 1): "older-key-cobalt-ginger-2",
        ("DATABASES", "default", "PASSWORD"): "p@ss/w:rd#of?shop",
        ("DATABASES", "analytics", "PASSWORD"): "00735501",
        ("CACHES", "default", "LOCATION"): "redis://:walnut-ember-19@redis.internal:6379/1",
        ("STORAGES", "media", "ACCESS_KEY"): "AKIAFAKEKEYOFSHOP",
        ("STORAGES", "media", "SECRET_KEY"): 'wJalrFAKE/KEY+of=the"shop',
        ("EMAIL", "PASSWORD"): 'mailbox "quoted" \\ word',
        ("PAYMENT", "API_KEY"): "sk_live_cinnamon77quarry",
        ("PAYMENT", "WEBHOOK_SECRETS", 0): "whsec_old_tangerine",
        ("PAYMENT", "WEBHOOK_SECRETS", 1): "whsec_new_sapphire",
        ("SENTRY_DSN",): "https://5f3c9d2e7ab14@sentry.internal/7",
    },
    masked={
        ("SECRET_KEY",): "tWkq8-zebra-lantern-orchid-mango-52-harbour",
        ("SECRET_KEY_FALLBACKS",): ["old-key-of-last-year-quartz-velvet-1", "older-key-cobalt-ginger-2"],
        ("DATABASES", "default", "PASSWORD"): "p@ss/w:rd#of?shop",
        ("DATABASES", "analytics", "PASSWORD"): "00735501",
        ("CACHES", "default", "LOCATION"): "redis://:walnut-ember-19@redis.internal:6379/1",
        ("STORAGES", "media", "ACCESS_KEY"): "AKIAFAKEKEYOFSHOP",
        ("STORAGES", "media", "SECRET_KEY"): 'wJalrFAKE/KEY+of=the"shop',
        ("EMAIL", "PASSWORD"): 'mailbox "quoted" \\ word',
        ("PAYMENT", "API_KEY"): "sk_live_cinnamon77quarry",
        ("PAYMENT", "WEBHOOK_SECRETS"): ["whsec_old_tangerine", "whsec_new_sapphire"],
        ("SENTRY_DSN",): "https://5f3c9d2e7ab14@sentry.internal/7",
    },
    differing=Difference(
        {
            "base.toml": [
                ('"fr", "Français"', '"rm", "Rumantsch"'),
                ('[CACHES.templates]\nBACKEND = "locmem"\nMAX_ENTRIES = 500', ""),
                ("APP_DIRS = false", 'DIRS = ["jinja"]'),
                ("wishlists = true", ""),
            ],
            "production.toml": [
                ("WEB_CONCURRENCY = 16", "WEB_CONCURRENCY = 24"),
                (
                    'PROVIDER = "stripe"\nPUBLISHABLE_KEY = "pk_live_51Hshop"',
                    'PROVIDER = "stripe"\nPUBLISHABLE_KEY = "pk_2"',
                ),
                ('REPLICAS = ["replica-1.db.internal", ', "PORT = 6432\nREPLICAS = ["),
            ],
        },
        {
            "LANGUAGES": (
                [["de", "Deutsch"], ["fr", "Français"], ["it", "Italiano"]],
                [["de", "Deutsch"], ["rm", "Rumantsch"], ["it", "Italiano"]],
            ),
            "WEB_CONCURRENCY": (16, 24),
            "TEMPLATES[1].DIRS": ([], ["jinja"]),
            "TEMPLATES[1].APP_DIRS": (False, True),
            "DATABASES.default.PORT": (5432, 6432),
            "DATABASES.default.REPLICAS": (
                ["replica-1.db.internal", "replica-2.db.internal"],
                ["replica-2.db.internal"],
            ),
            "CACHES.templates.BACKEND": ("locmem", None),
            "CACHES.templates.MAX_ENTRIES": (500, None),
            "PAYMENT.PUBLISHABLE_KEY": ("pk_live_51Hshop", "pk_2"),
            "FEATURES.wishlists": (True, None),
            "DATABASE_URL": (HIDDEN, HIDDEN),
        },
        restart=frozenset({"WEB_CONCURRENCY"}),
    ),
    rows=[
        "| `SECRET_KEY` | Signs sessions and password links. | required | `str`, secret | length at least 40 | hot |",
        "| `WEB_CONCURRENCY` |  | `4` | `int` | at least 1 | restart |",
        "| `TEMPLATES[].DIRS` |  | `[]` | `array of str (path)` |  | hot |",
        '| `DATABASES.<name> (ENGINE = "django.db.backends.postgresql").PASSWORD` |  | required | `str`, secret |  | hot |',
        '| `DATABASES.<name> (ENGINE = "django.db.backends.sqlite3").TIMEOUT` |  | `5.0` | `float` |  | hot |',
        '| `CACHES` |  | `{ default = { BACKEND = "locmem", MAX_ENTRIES = 1000 } }` | `table of table { BACKEND: "redis", LOCATION: str, KEY_PREFIX: str, TIMEOUT: int, MAX_CONNECTIONS: int } or table { BACKEND: "locmem", MAX_ENTRIES: int }` |  | hot |',
        '| `EMAIL.HOST` |  | `"smtp.shop.internal"` | `str` |  | hot |',
        '| `PAYMENT (PROVIDER = "stripe").API_KEY` |  | required | `str`, secret |  | hot |',
        '| `LOGGING.HANDLERS.<name>.LEVEL` |  | `"INFO"` | `"DEBUG" or "ERROR" or "INFO" or "WARNING"` |  | hot |',
        "| `DATABASE_URL` | The default database, for tools that want a URL. | `DATABASES` |",
    ],
    edits=[
        Edit(  # a leaf of a union in a mapping, from which a value is derived
            {"production.toml": [('HOSTNAME = "primary.db.internal"', 'HOST = "standby.db.internal"')]},
            frozenset({"DATABASES", "DATABASE_URL"}),
            {
                ("DATABASES", "default", "HOST"): "standby.db.internal",
                ("DATABASE_URL",): "postgresql://shop:p%40ss%2Fw%3Ard%23of%3Fshop@standby.db.internal:5432/shop",
            },
            {
                "DATABASES.default.HOST": ("primary.db.internal", "standby.db.internal"),
                "DATABASE_URL": (HIDDEN, HIDDEN),
            },
        ),
        Edit(  # a secret in the folder
            {"secrets/DATABASES.analytics.PASSWORD": "24680-brand-new\n"},
            frozenset({"DATABASES"}),
            {("DATABASES", "analytics", "PASSWORD"): "24680-brand-new"},
            {"DATABASES.analytics.PASSWORD": (HIDDEN, HIDDEN)},
        ),
        Edit(  # an array of tables: one more
            {"base.toml": [("APP_DIRS = false\n", 'APP_DIRS = false\n\n[[TEMPLATES]]\nBACKEND = "shop.mail"\n')]},
            frozenset({"TEMPLATES"}),
            {("TEMPLATES", 2, "BACKEND"): "shop.mail"},
            {
                "TEMPLATES[2].BACKEND": (None, "shop.mail"),
                "TEMPLATES[2].DIRS": (None, []),
                "TEMPLATES[2].APP_DIRS": (None, True),
                "TEMPLATES[2].OPTIONS": (None, {}),
            },
        ),
        Edit(  # another tag
            {
                "production.toml": [
                    ('PROVIDER = "stripe"\nPUBLISHABLE_KEY = "pk_live_51Hshop"', 'PROVIDER = "invoice"\nDAYS = 14')
                ],
                "secrets/PAYMENT.API_KEY": None,
                "secrets/PAYMENT.WEBHOOK_SECRETS": None,
            },
            frozenset({"PAYMENT"}),
            {("PAYMENT", "DAYS"): 14},
            {
                "PAYMENT.PROVIDER": ("stripe", "invoice"),
                "PAYMENT.PUBLISHABLE_KEY": ("pk_live_51Hshop", None),
                "PAYMENT.API_KEY": (HIDDEN, None),
                "PAYMENT.WEBHOOK_SECRETS": (HIDDEN, None),
                "PAYMENT.DAYS": (None, 14),
            },
        ),
        Edit(  # a nested Struct, a mapping of tables, and what waits for a restart, in one go
            {
                "production.toml": [("PORT = 465", "PORT = 2465"), ("WEB_CONCURRENCY = 16", "WEB_CONCURRENCY = 12")],
                "base.toml": [("REQUESTS = 60", "REQUESTS = 90")],
            },
            frozenset({"EMAIL.PORT", "THROTTLES"}),
            {("EMAIL", "PORT"): 2465, ("THROTTLES", "search", "REQUESTS"): 90, ("WEB_CONCURRENCY",): 16},
            {"EMAIL.PORT": (465, 2465), "THROTTLES.search.REQUESTS": (60, 90)},
            waits=frozenset({"WEB_CONCURRENCY"}),
        ),
        Edit(  # the database goes back to a file
            {
                "production.toml": [
                    ("WEB_CONCURRENCY = 12", "WEB_CONCURRENCY = 16"),
                    (f'ENGINE = "{POSTGRES}"\nNAME = "shop"\nUSER = "shop"\nHOST = "standby.db.internal"\n', ""),
                    ('REPLICAS = ["replica-1.db.internal", "replica-2.db.internal"]\n', ""),
                ],
                "secrets/DATABASES.default.PASSWORD": None,
            },
            frozenset({"DATABASES", "DATABASE_URL"}),
            {
                ("DATABASES", "default"): Sqlite(NAME=Path("/srv/shop/dev.sqlite3")),
                ("DATABASE_URL",): "sqlite:////srv/shop/dev.sqlite3",
            },
            {
                "DATABASES.default.ENGINE": (POSTGRES, "django.db.backends.sqlite3"),
                "DATABASES.default.NAME": ("shop", "/srv/shop/dev.sqlite3"),
                "DATABASES.default.USER": ("shop", None),
                "DATABASES.default.HOST": ("standby.db.internal", None),
                "DATABASES.default.PASSWORD": (HIDDEN, None),
                "DATABASES.default.PORT": (5432, None),
                "DATABASES.default.CONN_MAX_AGE": (60, None),
                "DATABASES.default.OPTIONS": ({}, None),
                "DATABASES.default.REPLICAS": (["replica-1.db.internal", "replica-2.db.internal"], None),
                "DATABASES.default.TIMEOUT": (None, 5.0),
                "DATABASE_URL": (HIDDEN, HIDDEN),
            },
        ),
    ],
    new_secrets=["24680-brand-new"],
)
