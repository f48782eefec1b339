"""Offline work: training, calibration, benchmarks."""
