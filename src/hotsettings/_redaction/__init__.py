"""Keeps secrets out of every text that the library shows: errors, logs, events, status, the page, reports, the command line.

What is a secret (``secrets``): the value of every field declared Secret, and every value of a secret layer that no other
layer says too; those of the live settings, of candidates, and former ones.

What is looked for in a text (``matching``):

- the whole value, in any case where it has 8 or more characters; one of 4 to 7 characters only where it stands as a word of
  its own, one of 1 to 3 only beside its key;
- the credential parts of it that have 8 or more characters, in any case, and beginnings and ends of 8 or more characters of
  these: a password in a URL, a line of a key, one of several tokens (``credentials``), and the pieces that a parser cuts out
  of it at a delimiter.

Names are no secrets: keys, members of JSON, options, the armour of PEM, hosts, databases, users that have a password beside
them, the module and the name of the settings class.

Where it is looked for (``readings``): in the text as it is and in its plain form, in which the quoting of ``repr``, JSON, URLs
and HTML is undone, one in the other too. Base64, hexadecimal digits and hashes are not followed.

Exceptions of others are kept as their type and a redacted text, never as objects (``exceptions``).
"""

from .exceptions import Redacted
from .redactor import Redactor

__all__ = ["Redacted", "Redactor"]
