"""The arithmetic of a mixture search: which mixtures to try, what their scores say, which to take.

Nothing here trains; `trivium.proxies` does, above the rooms.
"""
