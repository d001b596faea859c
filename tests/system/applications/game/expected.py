"""What is expected of a game server's settings."""

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from support.applications import Application, Difference, Edit, Entry, Mistake, Place
from system.applications.game.settings import (
    Armor,
    Daily,
    Difficulty,
    Drop,
    GameMap,
    Offer,
    Position,
    Potion,
    Rarity,
    Season,
    Settings,
    Weather,
    layers,
)

HIDDEN = "********"
MONSTER_DROPS: dict[str, Any] = {"item": "great_potion", "chance": 1, "amount": [2, 5]}

APPLICATION = Application(
    name="game",
    settings=Settings,
    layers=layers,
    loaded={
        ("world",): UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("motd",): "Snow!",
        ("difficulty",): Difficulty.EASY,
        ("restart_at",): time(5),
        ("save_key",): b"save-key-topaz-mantis",
        ("ranks",): {"76561198000000001": "owner", "76561198000000002": "moderator"},
        ("bad_words", 0): re.compile(r"(?i)\bn00b\b"),
        ("name_pattern",): re.compile(r"(?a)^\w{3,16}$"),
        ("maps", 0, "spawns"): (Position(0, 0), Position(100.5, -20, 70.25)),
        ("maps", 0, "weather"): Weather(rain=0, storm=0.5, lasts=timedelta(minutes=30)),
        ("maps", 1, "teams"): 1,
        ("maps", 2, "weather", "storm"): 0.4,
        ("maps", 2, "players"): (2, 24),
        ("monsters", "dragon", "immune_to"): frozenset({"fire"}),
        ("monsters", "dragon", "drops", 1): Drop("great_potion", 1, (2, 5)),
        ("items", "snow_globe"): Potion(effects={"mana": 5}),
        ("items", "iron_helmet"): Armor("head", 6, Rarity.RARE),
        ("items", "great_potion", "lasts"): timedelta(minutes=5),
        ("items", "dragon_blade", "damage"): (30, 50),
        ("items", "dragon_blade", "enchantments"): {"fire": 5, "life steal": 2},
        ("rarity_weights", Rarity.LEGENDARY): 0.001,
        ("events", "harvest", "begins"): date(2026, 12, 20),
        ("events", "harvest", "bonus"): {Rarity.RARE: 1.5, Rarity.EPIC: 2.0},
        ("events", "happy_hour"): Season(date(2026, 12, 24), date(2026, 12, 26)),
        ("events", "cup", "starts"): datetime(2026, 12, 12, 18, tzinfo=UTC),
        ("events", "cup", "code"): "CUP-FALCON-2026",
        ("offers",): (Offer("snow_globe", Decimal("0.99"), date(2027, 1, 6)),),
        ("experience", 19): 23_000,
        ("level_rewards", 10, 1): Drop("great_potion", 1.0, (3, 3)),
        ("slots",): 24,
    },
    explained={
        "difficulty": [
            Entry(1, Place("winter.toml", "difficulty = ¦")),
            Entry(3, Place("config.toml", "difficulty = ¦"), live=False),
            Entry(1, "default", live=False),
        ],
        "ranks.76561198000000001": [Entry("owner", Place("config.toml", "76561198000000001 = ¦"))],
        "maps[0].spawns[1]": [Entry([100.5, -20, 70.25], Place("config.toml", "[[0, 0], ¦[100.5"))],
        "maps[0].weather.lasts": [Entry(30, Place("config.toml", "lasts = ¦30"))],
        "maps[2].weather.storm": [Entry(0.4, Place("config.toml", "storm = ¦0.4"))],
        "maps[2].weather": [Entry({"storm": 0.4}, Place("config.toml", "[maps.¦weather]"))],
        "monsters.wolf.drops[1].item": [Entry("small_potion", Place("config.toml", 'item = ¦"small_potion", chance'))],
        "monsters.dragon.drops[1]": [
            Entry(MONSTER_DROPS, Place("config.toml", '[[monsters.dragon.¦drops]]\nitem = "great_potion"'))
        ],
        "items.great_potion.effects.mana": [Entry(50, Place("config.toml", "mana = ¦50"))],
        "items.dragon_blade.damage": [
            Entry([30, 50], Place("winter.toml", "damage = ¦")),
            Entry([40, 65], Place("config.toml", "damage = ¦[40, 65]"), live=False),
        ],
        'items.dragon_blade.enchantments."life steal"': [Entry(2, Place("config.toml", '"life steal" = ¦'))],
        "events.harvest.bonus.epic": [Entry(2, Place("config.toml", "epic = ¦2"))],
        "events.happy_hour": [
            Entry(
                {"kind": "season", "begins": "2026-12-24", "ends": "2026-12-26"},
                Place("winter.toml", "[events.¦happy_hour]"),
            ),
            Entry(
                {"kind": "daily", "at": "18:00:00", "lasts": 60, "announce": "Double experience until seven!"},
                Place("config.toml", "[events.¦happy_hour]"),
                live=False,
            ),
        ],
        "events.cup.code": [Entry(HIDDEN, Place("secrets.toml", "code = ¦"))],
        "bridges": [Entry(HIDDEN, Place("secrets.toml", "bridges = ¦")), Entry(HIDDEN, "default", live=False)],
        "offers[0].until": [Entry("2027-01-06", Place("winter.toml", "until = ¦"))],
        "level_rewards.10[1].amount": [Entry([3, 3], Place("config.toml", "amount = ¦[3, 3]"))],
        "slots": [Entry(24, "derived")],
    },
    summary="Valid: 85 from config.toml, 4 from secrets.toml, 13 from winter.toml, 26 by default",
    warnings=[("renamed", "events.happy_hour.announce", Place("config.toml", "¦message"))],
    mistakes=[
        Mistake(
            "config.toml",
            "[100.5, -20, 70.25]",
            "[100.5, ¦-20000, 70.25]",
            "maps[0].spawns[1][1]",
            "out-of-range",
            "expected float >= -4096.0",
        ),
        Mistake(
            "config.toml",
            'mode = "coop"',
            'mode = ¦"co-op"',
            "maps[1].mode",
            "not-an-option",
            "expected one of deathmatch, capture, coop; did you mean coop?",
        ),
        Mistake(
            "config.toml",
            "teams = 4",
            "teams = ¦3",
            "maps[2].teams",
            "not-an-option",
            "expected one of 1, 2, 4",
        ),
        Mistake(
            "config.toml",
            "[maps.weather]\nstorm = 0.4",
            "[maps.weather]\n¦strom = 0.4",
            "maps[2].weather.strom",
            "unknown-key",
            "unknown key; did you mean maps[2].weather.storm?",
        ),
        Mistake(
            "config.toml",
            'drops = [{ item = "wolf_pelt", chance = 0.5 }',
            'drops = [{ item = "wolf_pelt", chance = ¦1.5 }',
            "monsters.wolf.drops[0].chance",
            "out-of-range",
            "expected float <= 1.0",
        ),
        Mistake(
            "config.toml",
            "effects = { health = 20 }",
            "effects = { ¦heath = 20 }",
            "items.small_potion.effects.heath",
            "wrong-key",
            "wrong key: expected one of health, mana, speed; did you mean health?",
        ),
        Mistake(
            "config.toml",
            'rarity = "epic"',
            'rarity = ¦"Epic"',
            "items.swift_boots.rarity",
            "not-an-option",
            "expected one of common, rare, epic, legendary; did you mean epic?",
        ),
        Mistake(
            "config.toml",
            "iron_sword = {",
            "¦Iron-Sword = { kind = 'armor', slot = 'feet', protection = 1 }\niron_sword = {",
            "items.Iron-Sword",
            "wrong-key",
            "wrong key: expected str matching regex '^[a-z]+(_[a-z]+)*$'",
        ),
        Mistake(
            "config.toml",
            "legendary = 0.001",
            "¦mythic = 0.001",
            "rarity_weights.mythic",
            "wrong-key",
            "wrong key: expected one of common, rare, epic, legendary",
        ),
        Mistake(
            "winter.toml",
            "until = 2027-01-06",
            "until = ¦2027-01-06T00:00:00",
            "offers[0].until",
            "wrong-type",
            'expected date or "forever", got datetime',
            in_schema=False,
        ),
        Mistake(
            "config.toml",
            "starts = 2026-12-12T19:00:00+01:00",
            "starts = ¦2026-12-12T19:00:00",
            "events.cup.starts",
            "invalid-value",
            "expected datetime with a timezone component; end it with Z, or with an offset such as +02:00",
            in_schema=False,
        ),
        Mistake(
            "config.toml",
            "experience = [\n    100, 250, 450,",
            "experience = ¦[\n    100, 450, 250,",
            "experience",
            "rule",
            "level 3 needs 250, and the one before it 450",
            in_schema=False,
        ),
        Mistake(
            "config.toml",
            "5 = [{ item",
            "¦five = [{ item",
            "level_rewards.five",
            "wrong-key",
            "wrong key: expected int, got str",
            in_schema=False,
        ),
        Mistake(
            "config.toml",
            r"bad_words = ['(?i)\bn00b\b', ",
            r"bad_words = [¦'(?i)\bn00b(\b', ",
            "bad_words[0]",
            "invalid-value",
            "expected a regular expression, but it fails at its character 11",
            in_schema=False,
        ),
        Mistake(
            "winter.toml",
            'item = "snow_globe"',
            'item = "snow_ball"',
            "",
            "rule",
            "no item is called snow_ball",
            in_schema=False,
        ),
        Mistake(
            "secrets.toml",
            'bridges = ["wss://chat.example/hook/pelican-77-jade"]',
            "bridges = [¦77]",
            "bridges",
            "wrong-type",
            "expected str, got int (value hidden)",
        ),
    ],
    shown=[
        'name_pattern = "(?a)^\\\\w{3,16}$"  # default',
        'ranks.76561198000000001 = "owner"  # config.toml:16:21',
        (
            'monsters.dragon.drops = [{ item = "dragon_blade", chance = 0.01, amount = [1, 1] }, '
            '{ item = "great_potion", chance = 1.0, amount = [2, 5] }]  # config.toml:55:8'
        ),
        "events.cup.starts = 2026-12-12T19:00:00+01:00  # config.toml:96:10",
        "# events.cup.code = ********  # secrets.toml:7:8",
        "events.harvest.bonus.epic = 2.0  # config.toml:92:30",
        "items.dragon_blade.damage = [30, 50]  # winter.toml:18:10",
        'items.small_potion.lasts = "PT180S"  # default',
        'offers = [{ item = "snow_globe", price = "0.99", until = 2027-01-06 }]  # winter.toml:21:8',
        "# bridges = ********  # secrets.toml:4:11",
        "# slots = 24  # derived from maps",
    ],
    secrets={
        ("rcon_password",): "raven-lantern-cliff",
        ("save_key",): "save-key-topaz-mantis",
        ("bridges", 0): "wss://chat.example/hook/pelican-77-jade",
        ("events", "cup", "code"): "CUP-FALCON-2026",
    },
    masked={
        ("rcon_password",): "raven-lantern-cliff",
        ("save_key",): "c2F2ZS1rZXktdG9wYXotbWFudGlz",
        ("bridges",): ["wss://chat.example/hook/pelican-77-jade"],
        ("events", "cup", "code"): "CUP-FALCON-2026",
    },
    differing=Difference(
        {
            "config.toml": [
                ("tick_rate = 128", "tick_rate = 64"),
                ("night_only = true", "weather = { lasts = 5 }"),
                ('[[monsters.dragon.drops]]\nitem = "dragon_blade"\nchance = 0.01\n', ""),
                ('slot = "body", protection = 3', 'slot = "body", protection = 4'),
                ('10 = [{ item = "iron_helmet", chance = 1.0 }, ', "10 = ["),
            ],
            "winter.toml": [('kind = "season"\nbegins = 2026-12-24\nends = 2026-12-26', "at = 17:30:00")],
        },
        {
            "tick_rate": (128, 64),
            "maps[1].weather.lasts": ("PT600S", "PT300S"),
            "maps[1].night_only": (True, False),
            "monsters.dragon.drops[0].item": ("dragon_blade", "great_potion"),
            "monsters.dragon.drops[0].chance": (0.01, 1.0),
            "monsters.dragon.drops[0].amount": ([1, 1], [2, 5]),
            "monsters.dragon.drops[1].item": ("great_potion", None),
            "monsters.dragon.drops[1].chance": (1.0, None),
            "monsters.dragon.drops[1].amount": ([2, 5], None),
            "events.happy_hour.kind": ("season", "daily"),
            "events.happy_hour.begins": ("2026-12-24", None),
            "events.happy_hour.ends": ("2026-12-26", None),
            "events.happy_hour.bonus": ({}, None),
            "events.happy_hour.at": (None, "17:30:00"),
            "events.happy_hour.lasts": (None, "PT3600S"),
            "events.happy_hour.announce": (None, "Double experience until seven!"),
            "items.wolf_pelt.protection": (3, 4),
            "level_rewards.10[0].item": ("iron_helmet", "great_potion"),
            "level_rewards.10[0].amount": ([1, 1], [3, 3]),
            "level_rewards.10[1].item": ("great_potion", None),
            "level_rewards.10[1].chance": (1.0, None),
            "level_rewards.10[1].amount": ([3, 3], None),
        },
        restart=frozenset({"tick_rate"}),
    ),
    rows=[
        "| `tick_rate` |  | `64` | `20 or 64 or 128` |  | restart |",
        "| `difficulty` |  | `1` | `0 or 1 or 3` |  | hot |",
        "| `save_key` |  | required | `str (base64)`, secret |  | hot |",
        '| `name_pattern` |  | `"(?a)^\\\\w{3,16}$"` | `str (regular expression)` |  | hot |',
        '| `maps[].weather.lasts` |  | `"PT600S"` | `str (duration)` |  | hot |',
        "| `monsters.<name>.drops[].chance` |  | required | `float` | more than 0, at most 1 | hot |",
        '| `events.<name> (kind = "tournament").code` |  | not set | `str`, secret |  | hot |',
        '| `items.<name> (kind = "weapon").rarity` |  | `"common"` | `"common" or "rare" or "epic" or "legendary"` |  | hot |',
        "| `rarity_weights` |  | `{ common = 1.0, rare = 0.2 }` | `table of float` |  | hot |",
        '| `offers[].until` |  | `"forever"` | `date or "forever"` |  | hot |',
        "| `level_rewards.<name>[].amount` |  | `[1, 1]` | `array of int, int` |  | hot |",
        "| `slots` | How many players the largest map takes. | `maps` |",
    ],
    edits=[
        Edit(  # a leaf of a table in an array of tables
            {"config.toml": [("storm = 0.4", "storm = 0.9")]},
            frozenset({"maps"}),
            {("maps", 2, "weather", "storm"): 0.9},
            {"maps[2].weather.storm": (0.4, 0.9)},
        ),
        Edit(  # a map less, from which a value is derived
            {
                "config.toml": [
                    (
                        (
                            'name = "Harbour"\nmode = "deathmatch"\nplayers = [2, 24]\nteams = 4\n'
                            "spawns = [[1, 1], [1, -1], [-1, 1], [-1, -1]]\n\n[maps.weather]\nstorm = 0.9\n"
                        ),
                        'name = "Tiny"\nmode = "deathmatch"\nspawns = [[0, 0]]\nplayers = [2, 8]\n',
                    )
                ]
            },
            frozenset({"maps", "slots"}),
            {("maps", 2): GameMap("Tiny", "deathmatch", (Position(0, 0),), (2, 8)), ("slots",): 12},
            {
                "maps[2].name": ("Harbour", "Tiny"),
                "maps[2].spawns": (
                    [[1.0, 1.0, 64.0], [1.0, -1.0, 64.0], [-1.0, 1.0, 64.0], [-1.0, -1.0, 64.0]],
                    [[0.0, 0.0, 64.0]],
                ),
                "maps[2].players": ([2, 24], [2, 8]),
                "maps[2].weather.storm": (0.9, 0.05),
                "maps[2].teams": (4, 2),
                "slots": (24, 12),
            },
        ),
        Edit(  # an item of another kind
            {
                "config.toml": [
                    (
                        'wolf_pelt = { kind = "armor", slot = "body", protection = 3 }',
                        'wolf_pelt = { kind = "potion", effects = { speed = 1 } }',
                    )
                ]
            },
            frozenset({"items"}),
            {("items", "wolf_pelt"): Potion({"speed": 1})},
            {
                "items.wolf_pelt.kind": ("armor", "potion"),
                "items.wolf_pelt.slot": ("body", None),
                "items.wolf_pelt.protection": (3, None),
                "items.wolf_pelt.effects.speed": (None, 1),
                "items.wolf_pelt.lasts": (None, "PT180S"),
            },
        ),
        Edit(  # an array in a mapping whose keys are numbers; a key of an enumeration; a date in an array
            {
                "config.toml": [("5 = [{ item", "7 = [{ item"), ("rare = 0.15", "rare = 0.25")],
                "winter.toml": [("until = 2027-01-06", 'until = "forever"')],
            },
            frozenset({"level_rewards", "rarity_weights", "offers"}),
            {
                ("level_rewards", 7, 0, "item"): "iron_sword",
                ("rarity_weights", Rarity.RARE): 0.25,
                ("offers", 0, "until"): "forever",
            },
            {
                "rarity_weights.rare": (0.15, 0.25),
                "offers[0].until": ("2027-01-06", "forever"),
                "level_rewards.5[0].item": ("iron_sword", None),
                "level_rewards.5[0].chance": (1.0, None),
                "level_rewards.5[0].amount": ([1, 1], None),
                "level_rewards.7[0].item": (None, "iron_sword"),
                "level_rewards.7[0].chance": (None, 1.0),
                "level_rewards.7[0].amount": (None, [1, 1]),
            },
        ),
        Edit(  # a secret in a union in a mapping, bytes, and the event of another kind again
            {
                "secrets.toml": 'rcon_password = "raven-lantern-cliff"\nsave_key = "c2F2ZS1rZXktb3BhbC1iZWV0bGU="\n'
                'bridges = ["wss://chat.example/hook/pelican-77-jade"]\n[events.cup]\ncode = "CUP-MERLIN-2027"\n',
                "winter.toml": [
                    ('kind = "season"\nbegins = 2026-12-24\nends = 2026-12-26\n', 'message = "Ho!"\nlasts = 90\n')
                ],
            },
            frozenset({"save_key", "events"}),
            {
                ("save_key",): b"save-key-opal-beetle",
                ("events", "cup", "code"): "CUP-MERLIN-2027",
                ("events", "happy_hour"): Daily(time(18), timedelta(minutes=90), "Ho!"),
            },
            {
                "save_key": (HIDDEN, HIDDEN),
                "events.cup.code": (HIDDEN, HIDDEN),
                "events.happy_hour.kind": ("season", "daily"),
                "events.happy_hour.begins": ("2026-12-24", None),
                "events.happy_hour.ends": ("2026-12-26", None),
                "events.happy_hour.bonus": ({}, None),
                "events.happy_hour.at": (None, "18:00:00"),
                "events.happy_hour.lasts": (None, "PT5400S"),
                "events.happy_hour.announce": (None, "Ho!"),
            },
        ),
    ],
    new_secrets=["save-key-opal-beetle", "c2F2ZS1rZXktb3BhbC1iZWV0bGU=", "CUP-MERLIN-2027"],
)
