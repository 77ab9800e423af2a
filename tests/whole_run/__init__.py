"""Tests of whole runs: faults, kills, logins, loss, secrets."""
