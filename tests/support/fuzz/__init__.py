"""A long search for layers that end a process, hang, are slow, or end in anything but settings or a SettingsError.

    make fuzz ARGS="--minutes 60"

It runs for as long as it is told to, from another seed each time; what it finds is in .fuzz/, and can be replayed.
"""
