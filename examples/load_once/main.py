"""Load settings once, without an event loop and without watching.

python main.py                     # says what is missing; then: cp secrets.example.toml secrets.toml
python main.py config.loud.toml    # with an override on top
"""

import sys
from typing import Annotated

from msgspec import Meta

from hotsettings import BaseSettings, Secret, SettingsError


class Settings(BaseSettings):
    GREETING: str = "Hello"
    TIMES: Annotated[int, Meta(ge=1, le=10, description="How often to say it.")] = 1
    TOKEN: Secret[Annotated[str, Meta(min_length=16, description="Proves who greets.")]]


def main() -> None:
    override = sys.argv[1] if len(sys.argv) > 1 else None
    try:
        settings = Settings(override_path=override)
    except SettingsError as error:
        sys.exit(str(error))
    for _ in range(settings.TIMES):
        print(settings.GREETING)
    print(settings)  # the token is masked


if __name__ == "__main__":
    main()
