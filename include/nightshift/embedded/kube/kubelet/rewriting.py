"""Mount paths in text replaced by the real folders, where the kernel grants no mounts."""

import re
from collections.abc import Mapping

_NAME = r"[\w.~-]"  # what a path's last name may go on with


class PathRewriter:
    """Replaces paths at path boundaries, the longest first, in one pass.

    A path counts where it starts the text or follows a character that is no part of a path
    (``=``, ``:``, a quote, a space) or ``://``, and where its last name ends.

    :param places: real path by the path in the container.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = {path.rstrip("/"): real for path, real in places.items() if path.rstrip("/")}
        longest_first = sorted(self._places, key=len, reverse=True)
        paths = "|".join(map(re.escape, longest_first))
        self._pattern = re.compile(rf"(?:(?<![\w.~/-])|(?<=://))(?:{paths})(?!{_NAME})")

    def rewrite(self, text: str) -> str:
        """Replace every mount path in ``text``.

        >>> PathRewriter({"/work": "/real"}).rewrite("--in=/work/src:/workshop /home/work")
        '--in=/real/src:/workshop /home/work'
        """
        if not self._places:
            return text
        return self._pattern.sub(lambda match: self._places[match[0]], text)
