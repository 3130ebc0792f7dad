"""Side by side with the peers, on one machine, in one run: `python -m benchmarks` and the rows that you want."""
