"""The settings page: what is live, where it comes from, what waits and what went wrong, in a browser.

asgi     what ASGI calls things, and plain answers
markup   HTML in which everything is escaped
record   what has happened since the page was made
render   the page as it stands
app      decides who may see it, and tells browsers when it changes
"""

from .app import settings_page

__all__ = ["settings_page"]
