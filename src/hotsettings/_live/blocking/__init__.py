"""The live object for programs without an event loop: a face of a `Live` in an event loop in a thread of its own.

live         the members of the face; each calls its namesake of that Live in the event loop
functions    callbacks, hooks and builds of the application, called in threads, where they may block
iterators    changes and events, for threads that wait
resource     what is made from settings and replaced when they change, for threads
"""
