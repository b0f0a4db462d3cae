"""Whether a candidate takes the incumbent's place: the statistics, the order of the checks, the report. No files, no models."""
