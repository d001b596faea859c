"""Every setting of the Integr8sCode backend: type, default, limits, meaning, and whether a change needs a restart.

The values are in config.toml, secrets.toml and one optional file per worker. A field marked `RestartRequired` keeps its
first value until the process restarts; every other field may change while it runs.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from hotsettings import BaseSettings, RestartRequired, Secret, Section

Name = Annotated[str, Meta(min_length=1)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Count = Annotated[int, Meta(ge=0)]
AtLeastOne = Annotated[int, Meta(ge=1)]
Milliseconds = Annotated[int, Meta(ge=1)]
Seconds = Annotated[int, Meta(ge=1)]
Days = Annotated[int, Meta(ge=1)]
# A year at most: `inf` is valid TOML, but no timer takes it.
Delay = Annotated[float, Meta(ge=0, le=31_536_000)]
# Patterns are kept short, since the error quotes them, and mild: they catch slips, the clients that take the values
# know the rest. `$` and not `\Z`, because the JSON Schema takes them over.
HttpUrl = Annotated[str, Meta(pattern=r"^https?://[^ ]+$")]
MongoUrl = Annotated[
    str,
    Meta(pattern=r"^mongodb([+]srv)?://[^ ]+$", examples=["mongodb://user:CHANGE-ME@mongo:27017/integr8scode"]),
]
UrlPrefix = Annotated[str, Meta(pattern=r"^(/[^ ]*)?$")]
# A Kubernetes quantity: 500m, 0.5, 128Mi, 1e3.
Quantity = Annotated[str, Meta(pattern=r"^[0-9]+([.][0-9]+)?([numkMGTPE]|[KMGTPE]i|[eE][0-9]+)?$")]
# An RFC 1123 label, which is what Kubernetes takes as the name of a namespace.
DnsLabel = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
# What a Kafka topic may be called; empty for no prefix at all.
TopicPrefix = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]*$", max_length=200)]
# kafka:29092, or 10.0.0.7:9092, [fe80::1%eth0]:9092
BrokerList = Annotated[str, Meta(pattern=r"^((^|, *)([A-Za-z0-9._-]+|\[[A-Za-z0-9:.%-]+\]):[1-9][0-9]{0,4})+$")]
# 100/minute, or 5 per 1 minute; 100/hour, of which only the first is looked at.
RateLimits = Annotated[str, Meta(pattern=r"^[0-9]+ *(/|per) *([0-9]+ *)?[A-Za-z]+( *[,;|].*)?$")]
# k=v pairs. Empty switches off what an earlier layer has set: TOML has no null.
Attributes = Annotated[str, Meta(pattern=r"^([^=,]+=[^,]*(,[^=,]+=[^,]*)*)?$")]
# Names of JWS algorithms. "none", which signs nothing, is not one of them.
JwsAlgorithm = Annotated[str, Meta(pattern=r"^([HREP]S[0-9]{3}K?|EdDSA)$")]


def about(description: str) -> Meta:
    """Describe a setting. The reference, the template and the JSON Schema show this text."""
    return Meta(description=description)


class Runtime(Struct, frozen=True, forbid_unknown_fields=True):
    """One language that scripts may be written in."""

    versions: Annotated[tuple[Name, ...], Meta(min_length=1)]
    file_ext: Name


class Settings(BaseSettings):
    """The settings that all processes of the backend share."""

    PROJECT_NAME: Annotated[
        RestartRequired[Name], Section("Core"), about("What the application calls itself in logs and metadata.")
    ] = "integr8scode"
    DATABASE_NAME: Annotated[RestartRequired[Name], about("MongoDB database that holds all collections.")] = (
        "integr8scode_db"
    )
    API_V1_STR: Annotated[RestartRequired[UrlPrefix], about("URL prefix of the first API version.")] = "/api/v1"
    SECRET_KEY: Annotated[
        Secret[str], Meta(min_length=32), about("Key that signs access tokens, 32 characters or more.")
    ]
    ALGORITHM: Annotated[JwsAlgorithm, about("Signature algorithm of access tokens.")] = "HS256"
    ACCESS_TOKEN_EXPIRE_MINUTES: Annotated[AtLeastOne, about("Minutes until an access token expires.")] = 1440
    MONGODB_URL: Annotated[Secret[MongoUrl], about("MongoDB connection string, credentials included.")] = (
        "mongodb://mongo:27017/integr8scode"
    )

    KUBERNETES_CONFIG_PATH: Annotated[
        str, Section("Kubernetes"), about("Kubeconfig file that says how to reach the cluster.")
    ] = "~/.kube/config"
    KUBERNETES_CA_CERTIFICATE_PATH: Annotated[
        str | None, about("CA certificate that the Kubernetes API server is verified with, if not a public one.")
    ] = None
    K8S_POD_CPU_LIMIT: Annotated[Quantity, about("CPU that an executor pod can use at most.")] = "1000m"
    K8S_POD_MEMORY_LIMIT: Annotated[Quantity, about("Memory that an executor pod can use at most.")] = "128Mi"
    K8S_POD_CPU_REQUEST: Annotated[Quantity, about("CPU set aside for each executor pod.")] = "1000m"
    K8S_POD_MEMORY_REQUEST: Annotated[Quantity, about("Memory set aside for each executor pod.")] = "128Mi"
    K8S_POD_EXECUTION_TIMEOUT: Annotated[Seconds, about("Seconds that a script may run before it is stopped.")] = 300
    K8S_POD_PRIORITY_CLASS_NAME: Annotated[str | None, about("Priority class of executor pods, if any.")] = None
    K8S_NAMESPACE: Annotated[DnsLabel, about("Namespace that executor pods are created in.")] = "integr8scode"
    K8S_MAX_CONCURRENT_PODS: Annotated[AtLeastOne, about("Executor pods that may exist at the same time.")] = 10
    RATE_LIMITS: Annotated[
        RateLimits,
        about("Request limits of routes that set none of their own, such as `100/minute` or `5/second; 1000/hour`."),
    ] = "100/minute"

    RATE_LIMIT_ENABLED: Annotated[bool, Section("Rate limiting"), about("Whether requests are limited at all.")] = True
    RATE_LIMIT_DEFAULT_REQUESTS: Annotated[
        AtLeastOne, about("Requests that a client may make in one window where no rule says otherwise.")
    ] = 100
    RATE_LIMIT_DEFAULT_WINDOW: Annotated[Seconds, about("Seconds that one such window lasts.")] = 60
    RATE_LIMIT_BURST_MULTIPLIER: Annotated[
        float, Meta(ge=1, le=1000), about("Factor by which a short burst may exceed the limit.")
    ] = 1.5
    RATE_LIMIT_REDIS_PREFIX: Annotated[
        RestartRequired[str], about("Prefix of the Redis keys that hold the counters.")
    ] = "rate_limit:"
    RATE_LIMIT_ALGORITHM: Annotated[
        Literal["sliding_window", "token_bucket"], about("How requests are counted against a limit.")
    ] = "sliding_window"

    KAFKA_BOOTSTRAP_SERVERS: Annotated[
        BrokerList, Section("Kafka"), about("Brokers to begin with, as host:port, separated by commas.")
    ] = "kafka:29092"
    ENABLE_EVENT_STREAMING: Annotated[bool, about("Whether events are published to Kafka.")] = False
    EVENT_RETENTION_DAYS: Annotated[Days, about("Days for which stored events stay in MongoDB.")] = 30
    KAFKA_TOPIC_PREFIX: Annotated[RestartRequired[TopicPrefix], about("What every topic name begins with.")] = "pref"
    KAFKA_CONSUMER_GROUP_ID: Annotated[
        RestartRequired[Name], about("Consumer group; a new one has no offsets and would replay every event.")
    ] = "integr8scode-backend"
    KAFKA_AUTO_OFFSET_RESET: Annotated[
        Literal["earliest", "latest", "none"], about("Where a group without a valid offset begins to read.")
    ] = "earliest"
    KAFKA_ENABLE_AUTO_COMMIT: Annotated[bool, about("Whether the client commits offsets by itself.")] = True
    KAFKA_SESSION_TIMEOUT_MS: Annotated[
        Milliseconds, about("Milliseconds without a heartbeat after which a consumer counts as gone.")
    ] = 45000
    KAFKA_HEARTBEAT_INTERVAL_MS: Annotated[
        Milliseconds, about("Milliseconds between heartbeats, below the session timeout and best a third of it.")
    ] = 10000
    KAFKA_REQUEST_TIMEOUT_MS: Annotated[Milliseconds, about("Milliseconds to wait for a broker's answer.")] = 40000
    KAFKA_MAX_POLL_INTERVAL_MS: Annotated[
        Milliseconds, about("Milliseconds that may pass between two polls before the group rebalances.")
    ] = 300000
    KAFKA_MAX_POLL_RECORDS: Annotated[AtLeastOne, about("Records that one poll returns at most.")] = 500

    SSE_CONSUMER_POOL_SIZE: Annotated[
        AtLeastOne, Section("SSE"), about("Kafka consumers that feed the open event streams.")
    ] = 10
    SSE_HEARTBEAT_INTERVAL: Annotated[Seconds, about("Seconds between heartbeats on an idle event stream.")] = 30

    NOTIF_THROTTLE_WINDOW_HOURS: Annotated[
        AtLeastOne, Section("Notifications"), about("Hours over which a user's notifications are counted.")
    ] = 1
    NOTIF_THROTTLE_MAX_PER_HOUR: Annotated[Count, about("Notifications that a user gets per hour at most.")] = 5
    NOTIF_MAX_SCHEDULE_DAYS: Annotated[Days, about("Days ahead that a notification can be scheduled.")] = 25

    ENABLE_TRACING: Annotated[bool, Section("Tracing"), about("Whether spans are recorded and exported.")] = True
    JAEGER_AGENT_HOST: Annotated[
        Name, about("Host of a Jaeger agent, to which nothing is sent: OpenTelemetry has given agents up.")
    ] = "jaeger"
    JAEGER_AGENT_PORT: Annotated[Port, about("UDP port of that agent, to which nothing is sent either.")] = 6831
    JAEGER_COLLECTOR_ENDPOINT: Annotated[
        str | None,
        about(
            "Jaeger collector that spans are sent to over OTLP (gRPC, port 4317) "
            "where OTEL_EXPORTER_OTLP_ENDPOINT names no other."
        ),
    ] = None
    TRACING_SERVICE_NAME: Annotated[RestartRequired[Name], about("Service that spans are attributed to.")] = (
        "integr8scode-backend"
    )
    TRACING_SERVICE_VERSION: Annotated[RestartRequired[str], about("Version that spans are attributed to.")] = "1.0.0"
    TRACING_SAMPLING_RATE: Annotated[
        float, Meta(ge=0, le=1), about("Share of traces that is kept, from 0.0 for none to 1.0 for all.")
    ] = 0.1
    TRACING_ADAPTIVE_SAMPLING: Annotated[
        bool, about("Without effect: TRACING_SAMPLING_RATE is the share that is kept, whatever the load.")
    ] = False

    DLQ_RETRY_MAX_ATTEMPTS: Annotated[
        Count, Section("Dead letter queue"), about("Retries that a message gets before it is archived.")
    ] = 5
    DLQ_RETRY_BASE_DELAY_SECONDS: Annotated[Delay, about("Seconds to wait before the first retry.")] = 60.0
    DLQ_RETRY_MAX_DELAY_SECONDS: Annotated[Delay, about("Seconds that the growing delay never exceeds.")] = 3600.0
    DLQ_RETENTION_DAYS: Annotated[Days, about("Days after which a dead letter is deleted.")] = 7
    DLQ_WARNING_THRESHOLD: Annotated[Count, about("Dead letters at which a warning is raised.")] = 100
    DLQ_CRITICAL_THRESHOLD: Annotated[Count, about("Dead letters at which a critical alert is raised.")] = 1000

    APP_URL: Annotated[
        HttpUrl, Section("Service and OpenTelemetry"), about("Address of the site that links in notifications lead to.")
    ] = "https://integr8scode.cc"
    SERVICE_NAME: Annotated[RestartRequired[Name], about("What this service is called among others.")] = (
        "integr8scode-backend"
    )
    SERVICE_VERSION: Annotated[RestartRequired[str], about("Release that this service runs.")] = "1.0.0"
    ENVIRONMENT: Annotated[RestartRequired[Name], about("Where the service is deployed: production, staging.")] = (
        "production"
    )
    OTEL_EXPORTER_OTLP_ENDPOINT: Annotated[
        str | None, about("OpenTelemetry collector that spans are sent to over OTLP (gRPC).")
    ] = None
    OTEL_SERVICE_NAME: Annotated[
        RestartRequired[str | None],
        about("Without effect on spans, which bear TRACING_SERVICE_NAME: the workers differ by it."),
    ] = None
    OTEL_SERVICE_VERSION: Annotated[
        RestartRequired[str | None], about("Without effect on spans, which bear TRACING_SERVICE_VERSION.")
    ] = None
    OTEL_RESOURCE_ATTRIBUTES: Annotated[
        RestartRequired[Attributes | None], about("Further resource attributes, as key=value, separated by commas.")
    ] = None

    WEB_CONCURRENCY: Annotated[
        RestartRequired[AtLeastOne],
        Section("Server"),
        about("Servers that a process manager is to start; the server itself is one process."),
    ] = 4
    WEB_THREADS: Annotated[
        RestartRequired[AtLeastOne],
        about("Threads of each server for a process manager; the server itself has one event loop."),
    ] = 1
    WEB_TIMEOUT: Annotated[
        RestartRequired[Count],
        about("Seconds after which a process manager is to replace a silent server, 0 for never."),
    ] = 60
    WEB_BACKLOG: Annotated[RestartRequired[AtLeastOne], about("Connections that may wait to be accepted.")] = 2048
    SERVER_HOST: Annotated[RestartRequired[Name], about("Address that the server listens on.")] = "localhost"
    SERVER_PORT: Annotated[RestartRequired[Port], about("TCP port that the server listens on.")] = 443
    BCRYPT_ROUNDS: Annotated[int, Meta(ge=4, le=31), about("Cost of a password hash; each step doubles the work.")] = 12
    REDIS_MAX_CONNECTIONS: Annotated[AtLeastOne, about("Connections that the Redis pool opens at most.")] = 200

    REDIS_HOST: Annotated[Name, Section("Redis"), about("Host of the Redis server.")] = "redis"
    REDIS_PORT: Annotated[Port, about("TCP port of the Redis server.")] = 6379
    REDIS_DB: Annotated[Count, about("Number of the Redis database.")] = 0
    REDIS_PASSWORD: Annotated[Secret[str | None], about("Password of the Redis server, if it asks for one.")] = None
    REDIS_SSL: Annotated[bool, about("Whether connections to Redis are encrypted.")] = False
    REDIS_DECODE_RESPONSES: Annotated[
        RestartRequired[Literal[True]], about("Whether Redis replies are decoded to text; the code relies on it.")
    ] = True

    SSL_KEYFILE: Annotated[
        RestartRequired[str], Section("Security and TLS"), about("Private key of the server, a PEM file.")
    ] = "/app/certs/server.key"
    SSL_CERTFILE: Annotated[
        RestartRequired[str], about("Certificate of the server, a PEM file; empty for plain HTTP.")
    ] = "/app/certs/server.crt"
    SECURE_COOKIES: Annotated[bool, about("Whether browsers send cookies over HTTPS only.")] = True

    SUPPORTED_RUNTIMES: Annotated[
        Mapping[str, Runtime],
        Section("Executor runtimes"),
        about("Languages that scripts can be run in, each with its versions and file extension."),
    ] = {
        "python": Runtime(versions=("3.7", "3.8", "3.9", "3.10", "3.11", "3.12"), file_ext="py"),
        "node": Runtime(versions=("18", "20", "22"), file_ext="js"),
        "ruby": Runtime(versions=("3.1", "3.2", "3.3"), file_ext="rb"),
        "bash": Runtime(versions=("5.1", "5.2", "5.3"), file_ext="sh"),
        "go": Runtime(versions=("1.20", "1.21", "1.22"), file_ext="go"),
    }
    EXAMPLE_SCRIPTS: Annotated[Mapping[str, str], about("Script that the editor opens with, for each language.")] = {
        "python": 'print("Hello from Python!")\n',
        "node": 'console.log("Hello from Node.js!");\n',
        "ruby": 'puts "Hello from Ruby!"\n',
        "bash": 'echo "Hello from Bash!"\n',
        "go": 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("Hello from Go!")\n}\n',
    }

    LOG_LEVEL: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        Section("Logging and modes"),
        about("Lowest level of log records that are kept."),
    ] = "DEBUG"
    TESTING: Annotated[RestartRequired[bool], about("Whether the process serves a test run.")] = False
    DEVELOPMENT_MODE: Annotated[bool, about("Whether conveniences for developers are on.")] = False

    def __post_init__(self) -> None:
        """Rules between fields; all that are broken are named in one error.

        Raises:
            ValueError: a rule is broken.
        """
        rules = (
            (
                self.KAFKA_HEARTBEAT_INTERVAL_MS < self.KAFKA_SESSION_TIMEOUT_MS,
                "KAFKA_HEARTBEAT_INTERVAL_MS must be less than KAFKA_SESSION_TIMEOUT_MS",
            ),
            (
                self.DLQ_RETRY_BASE_DELAY_SECONDS <= self.DLQ_RETRY_MAX_DELAY_SECONDS,
                "DLQ_RETRY_BASE_DELAY_SECONDS must not exceed DLQ_RETRY_MAX_DELAY_SECONDS",
            ),
            (
                self.DLQ_WARNING_THRESHOLD <= self.DLQ_CRITICAL_THRESHOLD,
                "DLQ_WARNING_THRESHOLD must not exceed DLQ_CRITICAL_THRESHOLD",
            ),
        )
        if broken := [message for holds, message in rules if not holds]:
            raise ValueError("; ".join(broken))
