"""What a campaign has counted so far, in a file from which it goes on another time.

    python tests/campaigns/counts.py build/campaigns/*.json        prints the sums of several
"""

import json
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


class Counts:
    """Counts of each kind of case, and where each goes on. path: the file, None keeps none."""

    def __init__(self, path: Path | None = None) -> None:
        held = json.loads(path.read_text()) if path and path.exists() else {}
        self.path = path
        self.next: dict[str, int] = held.get('next', {})
        self.kinds = {kind: Counter(counts) for kind, counts in held.get('kinds', {}).items()}

    def add(self, kind: str, counts: Counter[str], following: int) -> None:
        """Add to a kind, which goes on with the number `following`; write the file."""
        self.kinds[kind] = self.kinds.get(kind, Counter()) + counts
        self.next[kind] = following
        if self.path:
            from netspec.schema import write_atomic
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, [json.dumps({'next': self.next, 'kinds': self.kinds},
                                                indent=1).encode()])

    @property
    def all(self) -> Counter[str]:
        return sum(self.kinds.values(), Counter())

    def table(self) -> str:
        """Return a row for each kind and their sum, with a column for each outcome."""
        words = sorted(self.all, key=lambda word: (-self.all[word], word))
        widths = [max(9, len(word)) for word in words]
        rows = [('kind', 'all', *words)]
        rows += [(kind, f'{counts.total():,}', *(f'{counts[word]:,}' for word in words))
                 for kind, counts in [*sorted(self.kinds.items()), ('all', self.all)]]
        return '\n'.join('  '.join([f'{row[0]:<16}', *(f'{cell:>{width}}' for cell, width in
                                                       zip(row[1:], [9, *widths], strict=True))])
                         for row in rows)


def main() -> None:
    whole = Counts()
    for name in sys.argv[1:]:
        for kind, counts in Counts(Path(name)).kinds.items():
            whole.add(kind, counts, 0)
    print(whole.table())


if __name__ == '__main__':
    main()
