"""Is this reply right?"""
