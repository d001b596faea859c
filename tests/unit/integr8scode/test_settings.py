"""The settings of the backend, its files, and what is documented of them, held against each other.

The tables below are written by hand, so that they are a witness of their own: a default that slips in the class, or a
value that slips in a file, disagrees with them.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from support import ROOT

from hotsettings import InvalidSettings
from hotsettings._schema.schema import Leaf, schema_of
from integr8scode.settings import Runtime, Settings

CONFIG: Final = ROOT / "config.toml"
CONFIG_TEST: Final = ROOT / "config.test.toml"
SECRETS_EXAMPLE: Final = ROOT / "secrets.example.toml"

WORKERS: Final = {
    "coordinator": "execution-coordinator",
    "k8s-worker": "k8s-worker",
    "pod-monitor": "pod-monitor",
    "result-processor": "result-processor",
    "saga-orchestrator": "saga-orchestrator",
    "event-replay": "event-replay",
    "dlq-processor": "dlq-processor",
}
OVERRIDES: Final = {f"config.{worker}.toml": name for worker, name in WORKERS.items()}

REQUIRED: Final = object()

DOCUMENTED: Final[dict[str, dict[str, object]]] = {
    "Core": {
        "PROJECT_NAME": "integr8scode",
        "DATABASE_NAME": "integr8scode_db",
        "SECRET_KEY": REQUIRED,
        "ALGORITHM": "HS256",
        "ACCESS_TOKEN_EXPIRE_MINUTES": 1440,
        "MONGODB_URL": "mongodb://mongo:27017/integr8scode",
    },
    "Kubernetes": {
        "KUBERNETES_CONFIG_PATH": "~/.kube/config",
        "KUBERNETES_CA_CERTIFICATE_PATH": None,
        "K8S_POD_CPU_LIMIT": "1000m",
        "K8S_POD_MEMORY_LIMIT": "128Mi",
        "K8S_POD_CPU_REQUEST": "1000m",
        "K8S_POD_MEMORY_REQUEST": "128Mi",
        "K8S_POD_EXECUTION_TIMEOUT": 300,
        "K8S_NAMESPACE": "integr8scode",
        "RATE_LIMITS": "100/minute",
    },
    "Kafka": {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:29092",
        "ENABLE_EVENT_STREAMING": False,
        "EVENT_RETENTION_DAYS": 30,
        "KAFKA_CONSUMER_GROUP_ID": "integr8scode-backend",
        "KAFKA_AUTO_OFFSET_RESET": "earliest",
        "KAFKA_ENABLE_AUTO_COMMIT": True,
        "KAFKA_SESSION_TIMEOUT_MS": 45000,
        "KAFKA_HEARTBEAT_INTERVAL_MS": 10000,
        "KAFKA_REQUEST_TIMEOUT_MS": 40000,
        "KAFKA_MAX_POLL_RECORDS": 500,
    },
    "SSE": {
        "SSE_CONSUMER_POOL_SIZE": 10,
        "SSE_HEARTBEAT_INTERVAL": 30,
    },
    "Tracing": {
        "ENABLE_TRACING": True,
        "JAEGER_AGENT_HOST": "jaeger",
        "JAEGER_AGENT_PORT": 6831,
        "TRACING_SERVICE_NAME": "integr8scode-backend",
        "TRACING_SERVICE_VERSION": "1.0.0",
        "TRACING_SAMPLING_RATE": 0.1,
    },
    "Dead letter queue": {
        "DLQ_RETRY_MAX_ATTEMPTS": 5,
        "DLQ_RETRY_BASE_DELAY_SECONDS": 60.0,
        "DLQ_RETRY_MAX_DELAY_SECONDS": 3600.0,
        "DLQ_RETENTION_DAYS": 7,
        "DLQ_WARNING_THRESHOLD": 100,
        "DLQ_CRITICAL_THRESHOLD": 1000,
    },
    "Service and OpenTelemetry": {
        "APP_URL": "https://integr8scode.cc",
        "SERVICE_NAME": "integr8scode-backend",
        "SERVICE_VERSION": "1.0.0",
        "OTEL_EXPORTER_OTLP_ENDPOINT": None,
        "OTEL_SERVICE_NAME": None,
        "OTEL_SERVICE_VERSION": None,
        "OTEL_RESOURCE_ATTRIBUTES": None,
    },
    "Server": {
        "WEB_CONCURRENCY": 4,
        "WEB_THREADS": 1,
        "WEB_TIMEOUT": 60,
        "WEB_BACKLOG": 2048,
        "SERVER_HOST": "localhost",
        "BCRYPT_ROUNDS": 12,
        "REDIS_MAX_CONNECTIONS": 200,
    },
}
DOCUMENTED_DEFAULTS: Final = {key: default for keys in DOCUMENTED.values() for key, default in keys.items()}

OTHER_DEFAULTS: Final[dict[str, object]] = {
    "API_V1_STR": "/api/v1",
    "K8S_POD_PRIORITY_CLASS_NAME": None,
    "K8S_MAX_CONCURRENT_PODS": 10,
    "RATE_LIMIT_ENABLED": True,
    "RATE_LIMIT_DEFAULT_REQUESTS": 100,
    "RATE_LIMIT_DEFAULT_WINDOW": 60,
    "RATE_LIMIT_BURST_MULTIPLIER": 1.5,
    "RATE_LIMIT_REDIS_PREFIX": "rate_limit:",
    "RATE_LIMIT_ALGORITHM": "sliding_window",
    "SSL_KEYFILE": "/app/certs/server.key",
    "SSL_CERTFILE": "/app/certs/server.crt",
    "SERVER_PORT": 443,
    "KAFKA_TOPIC_PREFIX": "pref",
    "KAFKA_MAX_POLL_INTERVAL_MS": 300000,
    "NOTIF_THROTTLE_WINDOW_HOURS": 1,
    "NOTIF_THROTTLE_MAX_PER_HOUR": 5,
    "NOTIF_MAX_SCHEDULE_DAYS": 25,
    "JAEGER_COLLECTOR_ENDPOINT": None,
    "TRACING_ADAPTIVE_SAMPLING": False,
    "ENVIRONMENT": "production",
    "REDIS_HOST": "redis",
    "REDIS_PORT": 6379,
    "REDIS_DB": 0,
    "REDIS_PASSWORD": None,
    "REDIS_SSL": False,
    "REDIS_DECODE_RESPONSES": True,
    "SUPPORTED_RUNTIMES": {
        "python": Runtime(versions=("3.7", "3.8", "3.9", "3.10", "3.11", "3.12"), file_ext="py"),
        "node": Runtime(versions=("18", "20", "22"), file_ext="js"),
        "ruby": Runtime(versions=("3.1", "3.2", "3.3"), file_ext="rb"),
        "bash": Runtime(versions=("5.1", "5.2", "5.3"), file_ext="sh"),
        "go": Runtime(versions=("1.20", "1.21", "1.22"), file_ext="go"),
    },
    "EXAMPLE_SCRIPTS": {
        "python": 'print("Hello from Python!")\n',
        "node": 'console.log("Hello from Node.js!");\n',
        "ruby": 'puts "Hello from Ruby!"\n',
        "bash": 'echo "Hello from Bash!"\n',
        "go": 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("Hello from Go!")\n}\n',
    },
    "TESTING": False,
    "DEVELOPMENT_MODE": False,
    "SECURE_COOKIES": True,
    "LOG_LEVEL": "DEBUG",
}
DEFAULTS: Final = DOCUMENTED_DEFAULTS | OTHER_DEFAULTS

SECRET: Final = {"SECRET_KEY", "MONGODB_URL", "REDIS_PASSWORD"}
IN_SECRETS_FILE: Final = {"SECRET_KEY", "MONGODB_URL"}
RESTART: Final = {
    "PROJECT_NAME",
    "DATABASE_NAME",
    "API_V1_STR",
    "RATE_LIMIT_REDIS_PREFIX",
    "KAFKA_TOPIC_PREFIX",
    "KAFKA_CONSUMER_GROUP_ID",
    "TRACING_SERVICE_NAME",
    "TRACING_SERVICE_VERSION",
    "SERVICE_NAME",
    "SERVICE_VERSION",
    "ENVIRONMENT",
    "OTEL_SERVICE_NAME",
    "OTEL_SERVICE_VERSION",
    "OTEL_RESOURCE_ATTRIBUTES",
    "WEB_CONCURRENCY",
    "WEB_THREADS",
    "WEB_TIMEOUT",
    "WEB_BACKLOG",
    "SERVER_HOST",
    "SERVER_PORT",
    "SSL_KEYFILE",
    "SSL_CERTFILE",
    "REDIS_DECODE_RESPONSES",
    "TESTING",
}

# What differs from the defaults in the two base files.
CONFIGURED: Final[dict[str, object]] = {
    "KUBERNETES_CONFIG_PATH": "/app/kubeconfig.yaml",
    "KUBERNETES_CA_CERTIFICATE_PATH": "/app/certs/k8s-ca.pem",
    "K8S_POD_CPU_REQUEST": "200m",
    "K8S_POD_EXECUTION_TIMEOUT": 5,
    "ENABLE_EVENT_STREAMING": True,
    "TRACING_SAMPLING_RATE": 1.0,
    "APP_URL": "https://localhost",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel-collector:4317",
    "OTEL_SERVICE_NAME": "integr8scode-backend",
    "OTEL_SERVICE_VERSION": "1.0.0",
    "OTEL_RESOURCE_ATTRIBUTES": "environment=production,team=backend",
    "WEB_THREADS": 4,
    "SERVER_HOST": "0.0.0.0",
}
CONFIGURED_FOR_TESTS: Final = CONFIGURED | {
    "K8S_POD_CPU_REQUEST": "50m",
    "RATE_LIMITS": "99999/second",
    "RATE_LIMIT_ENABLED": False,
    "KAFKA_SESSION_TIMEOUT_MS": 10000,
    "KAFKA_HEARTBEAT_INTERVAL_MS": 3000,
    "KAFKA_REQUEST_TIMEOUT_MS": 15000,
    "OTEL_RESOURCE_ATTRIBUTES": "environment=test,team=backend",
    "WEB_CONCURRENCY": 1,
    "BCRYPT_ROUNDS": 4,
    "TESTING": True,
    "LOG_LEVEL": "WARNING",
}

# Lines of config.toml that the configuration reference quotes, first and last.
QUOTED: Final = {
    "Core": (1, 9),
    "Kubernetes": (11, 20),
    "Kafka": (26, 37),
    "SSE": (39, 40),
    "Tracing": (45, 51),
    "Dead letter queue": (53, 59),
    "Service and OpenTelemetry": (61, 70),
    "Server": (72, 80),
}

LEAVES: Final[dict[str, Leaf]] = {leaf.key: leaf for leaf in schema_of(Settings).leaves}


def tables(*paths: Path) -> dict[str, Any]:
    """What the files say together; a later file wins."""
    merged: dict[str, Any] = {}
    for path in paths:
        merged |= tomllib.loads(path.read_text(encoding="utf-8"))
    return merged


def values(settings: Settings) -> dict[str, object]:
    """Every setting by key, mappings as plain dicts."""
    found = ((key, getattr(settings, key)) for key in LEAVES)
    return {key: dict(value) if isinstance(value, Mapping) else value for key, value in found}


def assert_same(actual: Mapping[str, object], expected: Mapping[str, object]) -> None:
    """Compare values and their types: to `==` alone, 1, 1.0 and True are the same."""
    assert actual == expected
    assert {key: type(value) for key, value in actual.items()} == {key: type(value) for key, value in expected.items()}


def settings(**changed: object) -> Settings:
    return Settings.from_values(**{"SECRET_KEY": "k" * 32, **changed})


class TestSchema:
    def test_has_85_settings_of_which_53_are_documented(self) -> None:
        assert len(DOCUMENTED_DEFAULTS) == 53
        assert len(DEFAULTS) == 85
        assert set(LEAVES) == set(DEFAULTS)

    def test_only_the_signing_key_must_be_given(self) -> None:
        assert {key for key, leaf in LEAVES.items() if leaf.required} == {"SECRET_KEY"}
        assert {key for key, default in DEFAULTS.items() if default is REQUIRED} == {"SECRET_KEY"}

    def test_defaults_are_the_documented_ones(self) -> None:
        assert_same(values(settings()), DEFAULTS | {"SECRET_KEY": "k" * 32})

    @pytest.mark.parametrize("section", DOCUMENTED)
    def test_documented_settings_stand_in_their_section(self, section: str) -> None:
        assert {LEAVES[key].section for key in DOCUMENTED[section]} == {section}

    def test_sections_are_not_interleaved(self) -> None:
        order = [leaf.section for leaf in LEAVES.values()]
        assert [section for i, section in enumerate(order) if i == 0 or order[i - 1] != section] == [
            "Core",
            "Kubernetes",
            "Rate limiting",
            "Kafka",
            "SSE",
            "Notifications",
            "Tracing",
            "Dead letter queue",
            "Service and OpenTelemetry",
            "Server",
            "Redis",
            "Security and TLS",
            "Executor runtimes",
            "Logging and modes",
        ]

    @pytest.mark.parametrize("key", DEFAULTS)
    def test_every_setting_is_described_in_one_sentence(self, key: str) -> None:
        description = LEAVES[key].description
        assert description[:1].isupper()
        assert description.endswith(".")
        assert ". " not in description
        assert "\n" not in description

    def test_no_two_settings_share_a_description(self) -> None:
        descriptions = [leaf.description for leaf in LEAVES.values()]
        assert len(set(descriptions)) == len(descriptions)

    def test_secret_marks(self) -> None:
        assert {key for key, leaf in LEAVES.items() if leaf.secret} == SECRET

    def test_restart_marks(self) -> None:
        assert {key for key, leaf in LEAVES.items() if leaf.restart} == RESTART


class TestFiles:
    def test_there_is_one_override_per_worker(self) -> None:
        found = {path.name for path in ROOT.glob("config.*.toml")} - {CONFIG_TEST.name}
        assert found == set(OVERRIDES)

    @pytest.mark.parametrize("name", [CONFIG.name, CONFIG_TEST.name, SECRETS_EXAMPLE.name, *OVERRIDES])
    def test_every_key_is_a_setting(self, name: str) -> None:
        assert set(tables(ROOT / name)) <= set(LEAVES)

    @pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("config*.toml")))
    def test_secrets_stand_in_no_config_file(self, name: str) -> None:
        assert set(tables(ROOT / name)).isdisjoint(SECRET)

    def test_base_configuration_says_every_documented_key(self) -> None:
        assert set(tables(CONFIG)) == set(DOCUMENTED_DEFAULTS) - IN_SECRETS_FILE | {"LOG_LEVEL"}

    def test_test_configuration_is_a_full_one(self) -> None:
        assert set(tables(CONFIG_TEST)) == set(tables(CONFIG)) | {"RATE_LIMIT_ENABLED", "TESTING"}

    def test_template_of_the_secrets(self) -> None:
        secrets = tables(SECRETS_EXAMPLE)
        assert set(secrets) == IN_SECRETS_FILE
        assert len(secrets["SECRET_KEY"]) >= 32
        assert "change-me" in secrets["SECRET_KEY"]
        assert secrets["MONGODB_URL"] == "mongodb://root:rootpassword@mongo:27017/integr8scode?authSource=admin"

    @pytest.mark.parametrize(("override", "name"), OVERRIDES.items())
    def test_override_names_its_worker_and_nothing_else(self, override: str, name: str) -> None:
        assert tables(ROOT / override) == {"TRACING_SERVICE_NAME": name, "KAFKA_CONSUMER_GROUP_ID": name}

    @pytest.mark.parametrize("section", QUOTED)
    def test_quoted_lines_hold_exactly_their_section(self, section: str) -> None:
        first, last = QUOTED[section]
        quoted = CONFIG.read_text(encoding="utf-8").splitlines()[first - 1 : last]
        assert quoted[0].strip()
        assert quoted[-1].strip()
        assert set(tomllib.loads("\n".join(quoted))) == set(DOCUMENTED[section]) - IN_SECRETS_FILE

    def test_a_blank_line_parts_what_is_quoted_from_what_is_not(self) -> None:
        lines = CONFIG.read_text(encoding="utf-8").splitlines()
        for first, last in QUOTED.values():
            assert first == 1 or not lines[first - 2]
            assert last == len(lines) or not lines[last]


class TestLoading:
    @pytest.mark.parametrize(
        ("base", "configured"),
        [(CONFIG, CONFIGURED), (CONFIG_TEST, CONFIGURED_FOR_TESTS)],
        ids=[CONFIG.name, CONFIG_TEST.name],
    )
    def test_base_file(self, base: Path, configured: dict[str, object]) -> None:
        loaded = values(Settings(config_path=base, secrets_path=SECRETS_EXAMPLE))
        assert_same(loaded, DEFAULTS | tables(base, SECRETS_EXAMPLE))
        assert_same(loaded, DEFAULTS | configured | tables(SECRETS_EXAMPLE))

    @pytest.mark.parametrize("base", [CONFIG, CONFIG_TEST], ids=lambda path: path.name)
    @pytest.mark.parametrize("override", OVERRIDES)
    def test_worker(self, base: Path, override: str) -> None:
        loaded = Settings(config_path=base, secrets_path=SECRETS_EXAMPLE, override_path=ROOT / override)
        assert_same(values(loaded), DEFAULTS | tables(base, SECRETS_EXAMPLE, ROOT / override))
        assert loaded.TRACING_SERVICE_NAME == loaded.KAFKA_CONSUMER_GROUP_ID == OVERRIDES[override]

    def test_default_paths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for path in (CONFIG, CONFIG_TEST, ROOT / "config.coordinator.toml"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / "secrets.toml").write_bytes(SECRETS_EXAMPLE.read_bytes())
        monkeypatch.chdir(tmp_path)

        assert Settings() == Settings(CONFIG, secrets_path=SECRETS_EXAMPLE)
        assert Settings(config_path="config.test.toml") == Settings(CONFIG_TEST, secrets_path=SECRETS_EXAMPLE)
        assert Settings(override_path="config.coordinator.toml").SERVICE_NAME == "integr8scode-backend"

    @pytest.mark.parametrize("base", [CONFIG, CONFIG_TEST], ids=lambda path: path.name)
    def test_every_beginning_of_a_base_file_is_valid(self, base: Path) -> None:
        """So a file is never rejected for the order of its lines, whichever rules join two of them."""
        lines = base.read_text(encoding="utf-8").splitlines(keepends=True)
        for end in range(len(lines) + 1):
            beginning = tomllib.loads("".join(lines[:end]))
            assert_same(values(settings(**beginning)), DEFAULTS | {"SECRET_KEY": "k" * 32} | beginning)


class TestConstraints:
    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("API_V1_STR", ""),
            ("ALGORITHM", "RS512"),
            ("ALGORITHM", "EdDSA"),
            ("MONGODB_URL", "mongodb+srv://user:p%40ss@cluster0.example.net/db?retryWrites=true"),
            ("MONGODB_URL", "mongodb://a:27017,b:27017,c:27017/db?replicaSet=rs0"),
            ("KUBERNETES_CONFIG_PATH", ""),
            ("K8S_POD_CPU_LIMIT", "0.5"),
            ("K8S_POD_CPU_LIMIT", "2"),
            ("K8S_POD_MEMORY_LIMIT", "1.5Gi"),
            ("K8S_POD_MEMORY_LIMIT", "1e9"),
            ("K8S_POD_MEMORY_LIMIT", "128M"),
            ("RATE_LIMITS", "5 per 1 minute; 100/hour"),
            ("RATE_LIMITS", "10/2 seconds"),
            ("KAFKA_BOOTSTRAP_SERVERS", "kafka-0.kafka:9092,kafka_1:9092, 10.0.0.7:9093"),
            ("KAFKA_BOOTSTRAP_SERVERS", "[::1]:9092,[fe80::1%eth0]:9092,[::ffff:10.0.0.7]:9092"),
            ("KAFKA_TOPIC_PREFIX", ""),
            ("NOTIF_THROTTLE_MAX_PER_HOUR", 0),
            ("TRACING_SAMPLING_RATE", 0),
            ("DLQ_RETRY_MAX_ATTEMPTS", 0),
            ("DLQ_RETRY_BASE_DELAY_SECONDS", 0.5),
            ("APP_URL", "http://localhost:5173"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "otel-collector:4317"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
            ("OTEL_RESOURCE_ATTRIBUTES", ""),
            ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=a-1, token=a=="),
            ("WEB_TIMEOUT", 0),
            ("BCRYPT_ROUNDS", 31),
            ("EXAMPLE_SCRIPTS", {}),
        ],
    )
    def test_taken(self, key: str, value: object) -> None:
        assert getattr(settings(**{key: value}), key) == value

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("SECRET_KEY", "k" * 31),
            ("ALGORITHM", "none"),
            ("ACCESS_TOKEN_EXPIRE_MINUTES", 0),
            ("ACCESS_TOKEN_EXPIRE_MINUTES", "1440"),
            ("API_V1_STR", "api/v1"),
            ("MONGODB_URL", "postgres://mongo/integr8scode"),
            ("K8S_POD_CPU_LIMIT", "one"),
            ("K8S_POD_MEMORY_LIMIT", "128MB"),
            ("K8S_POD_EXECUTION_TIMEOUT", "5s"),
            ("K8S_POD_EXECUTION_TIMEOUT", 0),
            ("K8S_NAMESPACE", "Integr8sCode"),
            ("K8S_NAMESPACE", "n" * 64),
            ("RATE_LIMITS", "100"),
            ("RATE_LIMIT_ALGORITHM", "leaky_bucket"),
            ("RATE_LIMIT_BURST_MULTIPLIER", 0.5),
            ("KAFKA_BOOTSTRAP_SERVERS", ""),
            ("KAFKA_BOOTSTRAP_SERVERS", "kafka"),
            ("KAFKA_BOOTSTRAP_SERVERS", "kafka:29092,"),
            ("KAFKA_BOOTSTRAP_SERVERS", "kafka:29092,,kafka:29093"),
            ("KAFKA_BOOTSTRAP_SERVERS", "kafka:29092 kafka:29093"),
            ("KAFKA_BOOTSTRAP_SERVERS", "kafka:0"),
            ("KAFKA_BOOTSTRAP_SERVERS", "kafka:29092;kafka:29093"),
            ("KAFKA_BOOTSTRAP_SERVERS", "::1:9092"),
            ("KAFKA_AUTO_OFFSET_RESET", "newest"),
            ("KAFKA_ENABLE_AUTO_COMMIT", 1),
            ("KAFKA_MAX_POLL_RECORDS", 500.0),
            ("SSE_CONSUMER_POOL_SIZE", 0),
            ("JAEGER_AGENT_PORT", 65536),
            ("TRACING_SAMPLING_RATE", 1.1),
            ("TRACING_SAMPLING_RATE", float("nan")),
            ("DLQ_RETRY_MAX_DELAY_SECONDS", float("inf")),
            ("APP_URL", "integr8scode.cc"),
            ("OTEL_RESOURCE_ATTRIBUTES", "team"),
            ("SERVER_PORT", 0),
            ("WEB_CONCURRENCY", 0),
            ("BCRYPT_ROUNDS", 3),
            ("BCRYPT_ROUNDS", 32),
            ("REDIS_DECODE_RESPONSES", False),
            ("SUPPORTED_RUNTIMES", {"python": {"versions": [], "file_ext": "py"}}),
            ("SUPPORTED_RUNTIMES", {"python": {"versions": ["3.12"]}}),
            ("LOG_LEVEL", "debug"),
        ],
    )
    def test_refused(self, key: str, value: object) -> None:
        with pytest.raises(InvalidSettings, match=key):
            settings(**{key: value})

    def test_a_table_of_runtimes_replaces_the_default(self) -> None:
        runtimes = settings(SUPPORTED_RUNTIMES={"lua": {"versions": ["5.4"], "file_ext": "lua"}}).SUPPORTED_RUNTIMES
        assert dict(runtimes) == {"lua": Runtime(versions=("5.4",), file_ext="lua")}

    @pytest.mark.parametrize(
        ("low", "high", "values_that_fit", "values_that_do_not"),
        [
            ("KAFKA_HEARTBEAT_INTERVAL_MS", "KAFKA_SESSION_TIMEOUT_MS", (9999, 10000), (10000, 10000)),
            ("DLQ_RETRY_BASE_DELAY_SECONDS", "DLQ_RETRY_MAX_DELAY_SECONDS", (10.0, 10.0), (10.5, 10.0)),
            ("DLQ_WARNING_THRESHOLD", "DLQ_CRITICAL_THRESHOLD", (10, 10), (11, 10)),
        ],
    )
    def test_rules_between_two_settings(
        self, low: str, high: str, values_that_fit: tuple[float, float], values_that_do_not: tuple[float, float]
    ) -> None:
        settings(**dict(zip((low, high), values_that_fit, strict=True)))
        with pytest.raises(InvalidSettings, match=f"{low} must .*{high}"):
            settings(**dict(zip((low, high), values_that_do_not, strict=True)))

    def test_all_broken_rules_are_reported_at_once(self) -> None:
        with pytest.raises(InvalidSettings) as caught:
            settings(KAFKA_SESSION_TIMEOUT_MS=1, DLQ_RETRY_MAX_DELAY_SECONDS=1.0, DLQ_CRITICAL_THRESHOLD=1)
        for key in ("KAFKA_SESSION_TIMEOUT_MS", "DLQ_RETRY_MAX_DELAY_SECONDS", "DLQ_CRITICAL_THRESHOLD"):
            assert key in str(caught.value)
