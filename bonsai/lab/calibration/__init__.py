"""The calibration report: the measures and flags, held against data."""
