"""What other libraries and servers get from live settings. The core imports none of it; import what you need by its name.

asgi           one snapshot for the whole of a request: middleware for any ASGI application
fastapi        the same as a dependency of FastAPI                      hotsettings[fastapi]
page           a page that shows what is live, and why, in a browser
logging        a logger whose level follows a setting
prometheus     how reloads go, for a Prometheus registry                hotsettings[prometheus]
opentelemetry  the same as OpenTelemetry metrics                        hotsettings[opentelemetry]
"""
