"""What is expected of the settings of a service with many tenants."""

import ipaddress
from datetime import date, time
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from support.applications import Application, Difference, Edit, Entry, Mistake, Place
from system.applications.tenants.settings import Contact, Limits, Passwords, Settings, Webhook, layers

HIDDEN = "********"
PRIVATE_KEY = (
    "-----BEGIN PRIVATE KEY-----\naW5pdGVjaC1zYW1sLXRpdGFuaXVtLWJlYXIK\n-----END PRIVATE KEY-----\n"  # of nobody
)

APPLICATION = Application(
    name="tenants",
    settings=Settings,
    layers=layers,
    loaded={
        ("listen",): ipaddress.IPv4Address("0.0.0.0"),
        ("trusted_proxies", 1): ipaddress.IPv4Network("172.16.0.0/12"),
        ("defaults",): Limits(requests_per_minute=240),
        ("global_limits",): {"login": 120, "signup": 10},
        ("metering", "endpoint"): "https://metering.internal",
        ("metering", "every_seconds"): 30.0,
        ("encryption_keys", "2026"): "new-key-saffron-telescope",
        ("tenants", "acme", "id"): UUID("7d444840-9dc0-11d1-b245-5ffdce74fad2"),
        ("tenants", "acme", "zone"): ZoneInfo("America/Chicago"),
        ("tenants", "acme", "maintenance_at"): time(2, 30),
        ("tenants", "acme", "price"): Decimal("1290.00"),
        ("tenants", "acme", "allowed_networks", 1): ipaddress.IPv4Network("198.51.100.0/25"),
        ("tenants", "acme", "egress"): ipaddress.IPv6Address("2001:db8::ac3e"),
        ("tenants", "acme", "limits"): Limits(requests_per_minute=9000, burst=400, storage_gib="unlimited"),
        ("tenants", "acme", "database", "pool"): 40,
        ("tenants", "acme", "login", "scopes"): ("openid", "email", "groups"),
        ("tenants", "acme", "login", "claims"): {"email": "mail", "groups": "memberOf"},
        ("tenants", "acme", "webhooks", "data lake"): Webhook(
            url="https://lake.acme.example/in", signing_key="acme-lake-marble-owl", retries=10
        ),
        ("tenants", "acme", "contacts", 1): Contact(name="Accounts", email="accounts@acme.example", role="billing"),
        ("tenants", "acme", "branding", "title"): 'ACME "Portal"',
        ("tenants", "globex", "trial_ends"): date(2027, 3, 31),
        ("tenants", "globex", "login"): Passwords(second_factor=False),
        ("tenants", "globex", "limits"): Limits(burst=80),
        ("tenants", "globex", "webhooks"): {},
        ("tenants", "initech", "login", "signing_key"): PRIVATE_KEY,
        ("tenants", "initech", "trial_ends"): "never",
        ("tenant_of",): {"portal.acme.example": "acme", "acme.example": "acme", "globex.example": "globex"},
        ("banned", "scrapers", 0): ipaddress.IPv4Network("198.51.100.0/24"),
    },
    explained={
        "defaults.requests_per_minute": [
            Entry(240, Place("server.toml", "requests_per_minute = ¦")),
            Entry(300, "default", live=False),
        ],
        "tenants.acme.limits": [
            Entry({"requests_per_minute": 9000}, Place("today.toml", "[tenants.acme.¦limits]")),
            Entry(
                {"requests_per_minute": 6000, "burst": 400, "storage_gib": "unlimited"},
                Place("tenants.toml", "[tenants.acme.¦limits]"),
            ),
        ],
        "tenants.acme.limits.requests_per_minute": [
            Entry(9000, Place("today.toml", "requests_per_minute = ¦")),
            Entry(6000, Place("tenants.toml", "requests_per_minute = ¦"), live=False),
        ],
        "tenants.acme.database.pool": [Entry(40, Place("tenants.toml", "pool_size = ¦"))],
        "tenants.acme.database.password": [
            Entry(HIDDEN, Place("secrets.toml", "[tenants.acme]\ndatabase.password = ¦"))
        ],
        "tenants.acme.login.scopes": [Entry("openid, email, groups", Place("tenants.toml", "scopes = ¦"))],
        "tenants.acme.login.claims.groups": [Entry("memberOf", Place("tenants.toml", "groups = ¦"))],
        'tenants.acme.webhooks."data lake".retries': [Entry(10, Place("tenants.toml", "retries = ¦"))],
        'tenants.acme.webhooks."data lake".signing_key': [
            Entry(HIDDEN, Place("secrets.toml", '"data lake".signing_key = ¦'))
        ],
        "tenants.acme.contacts[1].role": [Entry("billing", Place("tenants.toml", "role = ¦"))],
        "tenants.acme.branding": [
            Entry(
                {"title": 'ACME "Portal"', "colour": "#cc0000", "corner_radius": HIDDEN},
                Place("tenants.toml", "[tenants.acme.¦branding]"),
            )
        ],
        "tenants.globex.login.minimum_length": [Entry(12, "default")],
        "tenants.globex.login.second_factor": [Entry(False, Place("today.toml", "second_factor = ¦"))],
        "tenants.globex.trial_ends": [Entry("2027-03-31", Place("tenants.toml", "trial_ends = ¦"))],
        "tenants.initech.login.signing_key": [
            Entry(HIDDEN, Place("secrets.toml", "[tenants.initech.login]\nsigning_key = ¦"))
        ],
        "encryption_keys": [Entry(HIDDEN, Place("secrets.toml", "[¦encryption_keys]"))],
        "tenant_of": [Entry(HIDDEN, "derived")],
    },
    summary="Valid: 9 from server.toml, 47 from tenants.toml, 10 from secrets.toml, 4 from today.toml, 53 by default",
    warnings=[
        ("renamed", "tenants.acme.database.pool", Place("tenants.toml", "¦pool_size")),
        ("unknown-key", "tenants.acme.branding.corner_radius", Place("tenants.toml", "¦corner_radius")),
    ],
    mistakes=[
        Mistake(
            "tenants.toml",
            'plan = "enterprise"',
            'plan = ¦"entreprise"',
            "tenants.acme.plan",
            "not-an-option",
            "expected one of free, team, enterprise; did you mean enterprise?",
        ),
        Mistake(
            "tenants.toml",
            'storage_gib = "unlimited"',
            'storage_gib = ¦"unlimted"',
            "tenants.acme.limits.storage_gib",
            "not-an-option",
            "expected int or one of unlimited; did you mean unlimited?",
        ),
        Mistake(
            "today.toml",
            "limits.burst = 80",
            "¦limits.burst = 8000",
            "tenants.globex.limits",
            "rule",
            "burst is more than requests_per_minute",
            in_schema=False,
        ),
        Mistake(
            "tenants.toml",
            'issuer = "https://login.acme.example"',
            'issuer = ¦"http://login.acme.example"',
            "tenants.acme.login.issuer",
            "no-match",
            "expected str matching regex '^https://'",
        ),
        Mistake(
            "tenants.toml",
            'claims = { email = "mail", groups = "memberOf" }',
            'claims = { email = "mail", ¦group = "memberOf" }',
            "tenants.acme.login.claims.group",
            "wrong-key",
            "wrong key: expected one of email, name, groups; did you mean groups?",
        ),
        Mistake(
            "tenants.toml",
            'events = ["created", "deleted"]',
            'events = ["created", ¦"removed"]',
            "tenants.acme.webhooks.crm.events[1]",
            "not-an-option",
            "expected one of created, updated, deleted",
        ),
        Mistake(
            "tenants.toml",
            'email = "accounts@acme.example"',
            '¦mail = "accounts@acme.example"\nemail = "a"',
            "tenants.acme.contacts[1].mail",
            "unknown-key",
            "unknown key; did you mean tenants.acme.contacts[1].email?",
        ),
        Mistake(
            "tenants.toml",
            'allowed_networks = ["192.0.2.0/24", "198.51.100.0/25"]',
            'allowed_networks = ["192.0.2.0/24", ¦"198.51.100.1/25"]',
            "tenants.acme.allowed_networks[1]",
            "invalid-value",
            "expected an IPv4 network, but it has bits behind its prefix; did you mean 198.51.100.0/25?",
            in_schema=False,
        ),
        Mistake(
            "tenants.toml",
            'allowed_networks = ["192.0.2.0/24", "198.51.100.0/25"]',
            'allowed_networks = [¦"0.0.0.0/0"]',
            "tenants.acme.allowed_networks[0]",
            "rule",
            "0.0.0.0/0 is most of the internet",
            in_schema=False,
        ),
        Mistake(
            "tenants.toml",
            'colour = "#cc0000"',
            'colour = ¦"red"',
            "tenants.acme.branding.colour",
            "no-match",
            "expected str matching regex '^#[0-9a-f]{6}$'",
        ),
        Mistake(
            "tenants.toml",
            "[tenants.globex.database]",
            "[tenants.¦Globex-2]\nid = 'b5f9e5a0-2f5c-4a7e-9a52-1f0f3a0c9a11'\ndatabase = { name = 'g', user = 'g', password = 'long enough' }\n[tenants.globex.database]",
            "tenants.Globex-2",
            "wrong-key",
            "wrong key: expected str matching regex '^[a-z][a-z0-9-]{1,30}$'",
        ),
        Mistake(
            "tenants.toml",
            'domains = ["globex.example"]',
            'domains = ["acme.example"]',
            "",
            "rule",
            "tenants share the domains acme.example",
            in_schema=False,
        ),
        Mistake(
            "secrets.toml",
            'password = "globex-db-silver-fern"',
            'password = ¦"short"',
            "tenants.globex.database.password",
            "wrong-length",
            "expected str of length >= 8 (value hidden)",
        ),
        Mistake(
            "secrets.toml",
            'crm.signing_key = "acme-hook-copper-lily"',
            'crm.¦signing_kye = "acme-hook-copper-lily"\ncrm.signing_key = "acme-hook-copper-lily"',
            "tenants.acme.webhooks.crm.signing_kye",
            "unknown-key",
            "unknown key; did you mean tenants.acme.webhooks.crm.signing_key?",
        ),
    ],
    shown=[
        'tenants.acme.zone = "America/Chicago"  # tenants.toml:4:8',
        "tenants.acme.maintenance_at = 02:30:00  # tenants.toml:5:18",
        "tenants.acme.limits.requests_per_minute = 9000  # today.toml:3:23",
        "# tenants.acme.database.password = ********  # secrets.toml:10:21",
        'tenants.acme.login.scopes = ["openid", "email", "groups"]  # tenants.toml:27:10',
        '# tenants.acme.webhooks."data lake".signing_key = ********  # secrets.toml:15:27',
        (
            'tenants.acme.contacts = [{ name = "Wile E. Coyote", email = "wile@acme.example", role = "owner" }, '
            '{ name = "Accounts", email = "accounts@acme.example", role = "billing" }]  # tenants.toml:39:8'
        ),
        "tenants.globex.trial_ends = 2027-03-31  # tenants.toml:55:14",
        "# tenants.globex.egress = not set  # default",
        "# encryption_keys = ********  # secrets.toml:2:2",
        "# tenant_of = ********  # derived from tenants",
    ],
    secrets={
        ("encryption_keys", "2025"): "old-key-hazelnut-barometer",
        ("encryption_keys", "2026"): "new-key-saffron-telescope",
        ("metering", "token"): "meter-token-plum-0042",
        ("tenants", "acme", "database", "password"): "acme-db-orange-piano",
        ("tenants", "acme", "login", "client_secret"): "acme-oidc-violet-river",
        ("tenants", "acme", "webhooks", "crm", "signing_key"): "acme-hook-copper-lily",
        ("tenants", "acme", "webhooks", "data lake", "signing_key"): "acme-lake-marble-owl",
        ("tenants", "globex", "database", "password"): "globex-db-silver-fern",
        ("tenants", "initech", "database", "password"): "initech-db-amber-wolf",
        ("tenants", "initech", "login", "signing_key"): PRIVATE_KEY,
        ("tenants", "initech", "login", "signing_password"): "initech-key-quiet-moss",
    },
    masked={
        ("encryption_keys",): {"2025": "old-key-hazelnut-barometer", "2026": "new-key-saffron-telescope"},
        ("metering", "token"): "meter-token-plum-0042",
        ("tenants", "acme", "database", "password"): "acme-db-orange-piano",
        ("tenants", "acme", "login", "client_secret"): "acme-oidc-violet-river",
        ("tenants", "acme", "webhooks", "crm", "signing_key"): "acme-hook-copper-lily",
        ("tenants", "acme", "webhooks", "data lake", "signing_key"): "acme-lake-marble-owl",
        ("tenants", "globex", "database", "password"): "globex-db-silver-fern",
        ("tenants", "initech", "database", "password"): "initech-db-amber-wolf",
        ("tenants", "initech", "login", "signing_key"): PRIVATE_KEY,
        ("tenants", "initech", "login", "signing_password"): "initech-key-quiet-moss",
    },
    differing=Difference(
        {
            "server.toml": [("port = 8443", "port = 9443"), ('"203.0.113.64/26"', '"203.0.113.0/24"')],
            "tenants.toml": [
                ('role = "billing"', 'role = "technical"'),
                ('"audit"', '"sso"'),
                ("trial_ends = 2027-03-31", ""),
                ('url = "https://lake.acme.example/in"\nretries = 10', 'url = "https://lake.acme.example/in2"'),
            ],
            "secrets.toml": [("acme-oidc-violet-river", "acme-oidc-violet-lagoon")],
            "today.toml": [('login = { method = "passwords", second_factor = false }', "")],
        },
        {
            "port": (8443, 9443),
            "tenants.acme.login.client_secret": (HIDDEN, HIDDEN),
            'tenants.acme.webhooks."data lake".url': ("https://lake.acme.example/in", "https://lake.acme.example/in2"),
            'tenants.acme.webhooks."data lake".retries': (10, 3),
            "tenants.acme.contacts[1].role": ("billing", "technical"),
            "tenants.acme.features": (["audit", "export"], ["export", "sso"]),
            "tenants.globex.trial_ends": ("2027-03-31", "never"),
            "tenants.globex.login.second_factor": (False, True),
            "banned.scrapers": (["198.51.100.0/24", "203.0.113.64/26"], ["198.51.100.0/24", "203.0.113.0/24"]),
        },
        restart=frozenset({"port"}),
    ),
    rows=[
        '| `region` |  | required | `"eu-central" or "eu-west" or "us-east"` |  | hot |',
        '| `listen` |  | `"127.0.0.1"` | `str (IPv4 address)` |  | restart |',
        "| `tenants.<name>.id` |  | required | `str (UUID)` |  | hot |",
        '| `tenants.<name>.limits.storage_gib` |  | `10` | `int or "unlimited"` | at least 1 | hot |',
        "| `tenants.<name>.database.password` |  | required | `str`, secret | length at least 8 | hot |",
        '| `tenants.<name>.login (method = "oidc").client_secret` |  | required | `str`, secret |  | hot |',
        "| `tenants.<name>.webhooks.<name>.signing_key` |  | required | `str`, secret |  | hot |",
        '| `tenants.<name>.contacts[].role` |  | `"owner"` | `"billing" or "owner" or "technical"` |  | hot |',
        '| `tenants.<name>.branding.colour` |  | `"#336699"` | `str` | matches `^#[0-9a-f]{6}$` | hot |',
        "| `tenant_of` | Which tenant a host belongs to. | `tenants` |",
    ],
    edits=[
        Edit(  # a leaf of a Struct in a table of a mapping
            {"today.toml": [("requests_per_minute = 9000", "requests_per_minute = 12000")]},
            frozenset({"tenants"}),
            {("tenants", "acme", "limits", "requests_per_minute"): 12_000},
            {"tenants.acme.limits.requests_per_minute": (9000, 12_000)},
        ),
        Edit(  # the layer of the day is empty again: the tag of a union is that of the default again
            {"today.toml": "# Nothing special.\n"},
            frozenset({"tenants"}),
            {
                ("tenants", "globex", "login"): Passwords(),
                ("tenants", "globex", "limits"): Limits(),
                ("tenants", "acme", "limits", "requests_per_minute"): 6000,
            },
            {
                "tenants.acme.limits.requests_per_minute": (12_000, 6000),
                "tenants.globex.limits.burst": (80, 50),
                "tenants.globex.login.second_factor": (False, True),
            },
        ),
        Edit(  # an element of an array in a mapping, a mapping in a mapping, and a secret in it, at once
            {
                "tenants.toml": [
                    ('[[tenants.acme.contacts]]\nname = "Wile E. Coyote"\nemail = "wile@acme.example"\n', ""),
                    ('url = "https://crm.acme.example/hooks"', 'url = "https://crm.acme.example/v2"'),
                ],
                "secrets.toml": [("acme-hook-copper-lily", "acme-hook-bronze-iris")],
            },
            frozenset({"tenants"}),
            {
                ("tenants", "acme", "contacts"): (
                    Contact(name="Accounts", email="accounts@acme.example", role="billing"),
                ),
                ("tenants", "acme", "webhooks", "crm", "url"): "https://crm.acme.example/v2",
                ("tenants", "acme", "webhooks", "crm", "signing_key"): "acme-hook-bronze-iris",
            },
            {
                "tenants.acme.webhooks.crm.url": ("https://crm.acme.example/hooks", "https://crm.acme.example/v2"),
                "tenants.acme.webhooks.crm.signing_key": (HIDDEN, HIDDEN),
                "tenants.acme.contacts[0].name": ("Wile E. Coyote", "Accounts"),
                "tenants.acme.contacts[0].email": ("wile@acme.example", "accounts@acme.example"),
                "tenants.acme.contacts[0].role": ("owner", "billing"),
                "tenants.acme.contacts[1].name": ("Accounts", None),
                "tenants.acme.contacts[1].email": ("accounts@acme.example", None),
                "tenants.acme.contacts[1].role": ("billing", None),
            },
        ),
        Edit(  # another tag, with secrets of its own; and what only a new process applies
            {
                "tenants.toml": [
                    ('method = "saml"', 'method = "oidc"\nissuer = "https://sso.initech.example"\nclient_id = "tps"'),
                    ('metadata_url = "https://sso.initech.example/metadata.xml"\n', ""),
                ],
                "secrets.toml": [
                    (
                        f'signing_key = """\n{PRIVATE_KEY}"""\nsigning_password = "initech-key-quiet-moss"',
                        'client_secret = "initech-oidc-dune"',
                    )
                ],
                "server.toml": [("port = 8443", "port = 8444")],
            },
            frozenset({"tenants"}),
            {("tenants", "initech", "login", "client_secret"): "initech-oidc-dune", ("port",): 8443},
            {
                "tenants.initech.login.method": ("saml", "oidc"),
                "tenants.initech.login.metadata_url": ("https://sso.initech.example/metadata.xml", None),
                "tenants.initech.login.signing_key": (HIDDEN, None),
                "tenants.initech.login.signing_password": (HIDDEN, None),
                "tenants.initech.login.issuer": (None, "https://sso.initech.example"),
                "tenants.initech.login.client_id": (None, "tps"),
                "tenants.initech.login.client_secret": (None, HIDDEN),
                "tenants.initech.login.scopes": (None, ["openid", "email"]),
                "tenants.initech.login.claims": (None, {}),
            },
            waits=frozenset({"port"}),
        ),
        Edit(  # a tenant more, from which a value is derived
            {
                "server.toml": [("port = 8444", "port = 8443")],
                "tenants.toml": [
                    (
                        "[tenants.initech.database]",
                        (
                            '[tenants.hooli]\nid = "11111111-2222-3333-4444-555555555555"\ndomains = ["hooli.example"]\n'
                            'database = { name = "hooli", user = "hooli" }\n\n[tenants.initech.database]'
                        ),
                    )
                ],
                "secrets.toml": [
                    (
                        "[tenants.globex.database]",
                        '[tenants.hooli]\ndatabase.password = "hooli-db-tidal-kelp"\n\n[tenants.globex.database]',
                    )
                ],
            },
            frozenset({"tenants", "tenant_of"}),
            {("tenant_of", "hooli.example"): "hooli", ("tenants", "hooli", "zone"): ZoneInfo("UTC")},
            {
                "tenants.hooli.id": (None, "11111111-2222-3333-4444-555555555555"),
                "tenants.hooli.plan": (None, "team"),
                "tenants.hooli.active": (None, True),
                "tenants.hooli.zone": (None, "UTC"),
                "tenants.hooli.maintenance_at": (None, "03:00:00"),
                "tenants.hooli.trial_ends": (None, "never"),
                "tenants.hooli.price": (None, "49.00"),
                "tenants.hooli.domains": (None, ["hooli.example"]),
                "tenants.hooli.allowed_networks": (None, []),
                "tenants.hooli.limits.requests_per_minute": (None, 600),
                "tenants.hooli.limits.burst": (None, 50),
                "tenants.hooli.limits.concurrent_jobs": (None, 4),
                "tenants.hooli.limits.storage_gib": (None, 10),
                "tenants.hooli.database.host": (None, "pool.db.internal"),
                "tenants.hooli.database.port": (None, 5432),
                "tenants.hooli.database.name": (None, "hooli"),
                "tenants.hooli.database.user": (None, "hooli"),
                "tenants.hooli.database.password": (None, HIDDEN),
                "tenants.hooli.database.pool": (None, 5),
                "tenants.hooli.login.method": (None, "passwords"),
                "tenants.hooli.login.minimum_length": (None, 12),
                "tenants.hooli.login.second_factor": (None, True),
                "tenants.hooli.webhooks": (None, {}),
                "tenants.hooli.contacts": (None, []),
                "tenants.hooli.features": (None, []),
                "tenants.hooli.branding.title": (None, ""),
                "tenants.hooli.branding.colour": (None, "#336699"),
                "tenants.hooli.beta": (None, False),
                "tenant_of": (HIDDEN, HIDDEN),
            },
        ),
    ],
    new_secrets=["acme-oidc-violet-lagoon", "acme-hook-bronze-iris", "initech-oidc-dune", "hooli-db-tidal-kelp"],
)
