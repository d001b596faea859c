"""Redacts every text that the library shows: errors, logs, events, status, the page, reports, the command line.

What is a secret (``secrets``): the value of every field declared Secret, and every value in a secret layer that no
other layer repeats. That holds for the live settings, for candidates, and for former settings.

What the redactor looks for in a text (``matching``):

- The whole value. If it has 8 or more characters, anywhere and in any case; if it has 4 to 7, as a word of its own; if
  it has 1 to 3, beside its key.
- Its credential parts of 8 or more characters, and their beginnings and ends of 8 or more, anywhere and in any case.
  Such parts are a password in a URL, a line of a key, one of several tokens (``credentials``), and the pieces that a
  parser cuts out at a delimiter.

Names are not secrets: keys, members of JSON, options, the armour of PEM, hosts, databases, users that have a password
beside them, the module and the name of the settings class.

The redactor looks in the text as it is and in its plain form (``readings``), in which the quoting of ``repr``, JSON, URLs
and HTML is undone, also where it was quoted twice. It does not decode base64, hexadecimal digits or hashes.

Exceptions of other code are kept as the name of their type and a redacted text, never as objects (``exceptions``).
"""

from ..errors import Redacted
from .redactor import Redactor

__all__ = ["Redacted", "Redactor"]
