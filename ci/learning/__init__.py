"""The learning loop as jobs, one after the other, as `git hone learn`, a nox session and GitHub Actions call them alike."""
