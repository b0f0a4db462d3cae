"""The evaluation suite, as far as it needs neither git nor a process: its format, its instructions, its faults, its verdicts."""
