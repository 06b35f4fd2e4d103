"""Sleeps as long as the repository's ``seconds.txt`` says and reports lines that say planted."""

import json
import sys
import time
from pathlib import Path

if sys.argv[1] == "--version":
    print("sleeper 1")
    raise SystemExit
source, output = Path(sys.argv[1]), Path(sys.argv[2])
wanted = source / "seconds.txt"
if wanted.exists():
    time.sleep(float(wanted.read_text()))
results = [
    {
        "ruleId": "planted",
        "message": {"text": "planted"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": str(path.relative_to(source))},
                    "region": {"startLine": number},
                }
            }
        ],
    }
    for path in sorted(source.glob("*.py"))
    for number, line in enumerate(path.read_text().splitlines(), 1)
    if line == "planted"
]
driver = {"name": "sleeper", "rules": [{"id": "planted"}]}
output.write_text(
    json.dumps({"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]})
)
