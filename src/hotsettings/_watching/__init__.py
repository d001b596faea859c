"""Has a layer changed, and is it complete?"""
