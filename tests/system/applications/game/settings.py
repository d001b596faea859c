"""The settings of a game server: its world, what is in it, and when something happens there."""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from msgspec import Meta, Struct

from hotsettings import (
    BaseSettings,
    Before,
    Check,
    FileLayer,
    Renamed,
    RestartRequired,
    Secret,
    Section,
    derived,
)

ItemId: TypeAlias = Annotated[str, Meta(pattern="^[a-z]+(_[a-z]+)*$")]
Chance: TypeAlias = Annotated[float, Meta(gt=0, le=1)]
Positive: TypeAlias = Annotated[int, Meta(ge=1)]
Coordinate: TypeAlias = Annotated[float, Meta(ge=-4096, le=4096)]


class Rarity(enum.Enum):
    COMMON = "common"
    RARE = "rare"
    EPIC = "epic"
    LEGENDARY = "legendary"


class Difficulty(enum.IntEnum):
    PEACEFUL = 0
    EASY = 1
    HARD = 3


def minutes(value: Any) -> Any:
    """Take a number of minutes for a timedelta. Anything else is left to the type."""
    return timedelta(minutes=value) if type(value) in (int, float) else value


def rising(table: tuple[int, ...]) -> None:
    """Refuse a level that costs no more than the one before it."""
    for level, (lower, higher) in enumerate(itertools.pairwise(table), 2):
        if higher <= lower:
            raise ValueError(f"level {level} needs {higher}, and the one before it {lower}")


class Position(Struct, frozen=True, array_like=True):
    x: Coordinate
    y: Coordinate
    z: Coordinate = 64.0


class Weather(Struct, frozen=True):
    rain: Annotated[float, Meta(ge=0, le=1)] = 0.2
    storm: Annotated[float, Meta(ge=0, le=1)] = 0.05
    lasts: Annotated[timedelta, Before(minutes)] = timedelta(minutes=10)


class GameMap(Struct, frozen=True):
    name: Annotated[str, Meta(min_length=3, max_length=32)]
    mode: Literal["deathmatch", "capture", "coop"]
    spawns: Annotated[tuple[Position, ...], Meta(min_length=1)]
    players: tuple[Positive, Positive] = (2, 16)
    weather: Weather = Weather()
    teams: Literal[1, 2, 4] = 2
    night_only: bool = False


class Weapon(Struct, frozen=True, tag_field="kind", tag="weapon"):
    damage: tuple[int, int]
    speed: Annotated[float, Meta(gt=0)] = 1.0
    rarity: Rarity = Rarity.COMMON
    enchantments: Mapping[str, Positive] = {}


class Armor(Struct, frozen=True, tag_field="kind", tag="armor"):
    slot: Literal["head", "body", "feet"]
    protection: Positive
    rarity: Rarity = Rarity.COMMON


class Potion(Struct, frozen=True, tag_field="kind", tag="potion"):
    effects: Annotated[Mapping[Literal["health", "mana", "speed"], int], Meta(min_length=1)]
    lasts: Annotated[timedelta, Before(minutes)] = timedelta(minutes=3)
    rarity: Rarity = Rarity.COMMON


class Drop(Struct, frozen=True):
    item: ItemId
    chance: Chance
    amount: tuple[Positive, Positive] = (1, 1)


class Monster(Struct, frozen=True):
    health: Positive
    drops: tuple[Drop, ...] = ()
    immune_to: frozenset[Literal["fire", "frost", "poison"]] = frozenset()


class Season(Struct, frozen=True, tag_field="kind", tag="season"):
    begins: date
    ends: date
    bonus: Mapping[Rarity, float] = {}


class Tournament(Struct, frozen=True, tag_field="kind", tag="tournament"):
    starts: Annotated[datetime, Meta(tz=True)]
    maps: tuple[str, ...]
    prize: Decimal
    code: Secret[str | None] = None


class Daily(Struct, frozen=True, tag_field="kind", tag="daily"):
    at: time
    lasts: Annotated[timedelta, Before(minutes)]
    announce: Annotated[str, Renamed("message")] = ""


class Offer(Struct, frozen=True):
    item: ItemId
    price: Decimal
    until: date | Literal["forever"] = "forever"


class Settings(BaseSettings):
    world: Annotated[UUID, Section("Server")]
    port: RestartRequired[Annotated[int, Meta(ge=1024, le=65535)]] = 27015
    tick_rate: RestartRequired[Literal[20, 64, 128]] = 64
    motd: Annotated[str, Meta(max_length=400)] = ""
    difficulty: Difficulty = Difficulty.EASY
    rcon_password: Secret[Annotated[str, Meta(min_length=12)]]
    save_key: Secret[bytes]
    restart_at: time | None = None
    ranks: Mapping[Annotated[str, Meta(pattern="^[0-9]{17}$")], Literal["owner", "admin", "moderator"]] = {}

    bad_words: Annotated[tuple[re.Pattern[str], ...], Section("Chat")] = ()
    name_pattern: re.Pattern[str] = re.compile(r"(?a)^\w{3,16}$")
    bridges: Secret[tuple[str, ...]] = ()

    maps: Annotated[tuple[GameMap, ...], Section("World"), Meta(min_length=1)]
    monsters: Mapping[str, Monster] = {}
    events: Mapping[str, Season | Tournament | Daily] = {}

    items: Annotated[Mapping[ItemId, Weapon | Armor | Potion], Section("Economy"), Meta(min_length=1)]
    rarity_weights: Mapping[Rarity, float] = {Rarity.COMMON: 1.0, Rarity.RARE: 0.2}
    offers: tuple[Offer, ...] = ()
    experience: Annotated[tuple[int, ...], Check(rising), Meta(min_length=1)] = (100, 300, 900)
    level_rewards: Mapping[int, tuple[Drop, ...]] = {}

    def __post_init__(self) -> None:
        named = {drop.item for monster in self.monsters.values() for drop in monster.drops}
        named |= {offer.item for offer in self.offers}
        named |= {drop.item for drops in self.level_rewards.values() for drop in drops}
        if unknown := sorted(named - self.items.keys()):
            raise ValueError(f"no item is called {', '.join(unknown)}")

    @derived("maps")
    def slots(self) -> int:
        """How many players the largest map takes."""
        return max(game_map.players[1] for game_map in self.maps)


def layers() -> list[FileLayer]:
    """The game, its secrets, and what is special this season."""
    return [
        FileLayer("config.toml"),
        FileLayer("secrets.toml", secret=True),
        FileLayer("winter.toml"),
    ]
