"""What the tests share: a clock, configs, servers, runs of the tap, and tables."""
