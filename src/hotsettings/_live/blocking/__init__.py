"""The live object of programs without an event loop: what it does happens in a Live, in an event loop of its own thread.

live         the members, which call those of that Live
functions    callbacks, hooks and builds of the application, in threads where they may block
iterators    changes and events
resource     what is made from settings and replaced when they change
"""
