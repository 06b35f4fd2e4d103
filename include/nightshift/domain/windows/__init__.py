"""When the cluster rests: wall times, calendars, windows, and what is due at an instant.

Gets dates, zones and instants; never files or a clock. Wall time is local and naive, instants are
UTC, durations are UTC durations.
"""
