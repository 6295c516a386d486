"""What the pods run: a few lines of POSIX shell around pytest and modelcompat.

Names come as arguments, never inside of a script.
"""

from __future__ import annotations

__all__ = ["CELL", "INTERRUPT", "MERGE", "MOVE", "PLAN"]

# A ConfigMap's volume is made of links and cannot be written.
MOVE = "cp -RL /modelcompat/matrix/project /modelcompat/work/project\n"

# $1 is the run's folder; it must be new, or parts of an earlier run would be taken for this one's.
# Each cell's folder is made here, so that it belongs to the user that the pods have.
PLAN = """\
run=$1
shift
modelcompat plan "$@" > /modelcompat/work/plan.json
mkdir "$run" || {
  echo 'The volume has a run of this name: give another one with --run.' >&2
  exit 4
}
mkdir "$run/cells"
while read -r cell; do
  mkdir "$run/cells/$cell"
  : > "$run/cells/$cell/planned"
done < /modelcompat/cells/cells
cp /modelcompat/work/plan.json "$run/plan.json"
"""

# What fails is told by the merge; here only a run that left no result is a failure.
CELL = """\
test -e /modelcompat/report/planned || {
  echo 'The volume has no plan of this run: create plan.yaml first, and let its Job complete.' >&2
  exit 4
}
sh -c 'echo "$$" > /modelcompat/work/pid; exec pytest "$@"' pytest "$@" || echo "pytest: $?"
test -e /modelcompat/report/run.json
"""

# Ctrl-C for a pod that is to end: the run stops, and writes a report of what there is.
INTERRUPT = 'kill -INT "$(cat /modelcompat/work/pid)"'

MERGE = """\
cd "$1"
exec modelcompat merge cells/* --plan plan.json --output merged --partial
"""
