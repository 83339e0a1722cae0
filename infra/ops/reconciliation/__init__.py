"""Orphan payments: money at the processor that no order of ours stands for, found by comparing both books."""
