"""How a tool's counts are got when it runs under `git hone check`: pass-through, tool names, the measured tree."""
