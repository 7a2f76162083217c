"""The files below a folder, also those that symbolic links lead to."""

import os
from pathlib import Path


def files_below(folder: Path) -> list[Path]:
    """Every file below `folder`, sorted; hidden ones and those in hidden folders left out.

    Folders of data are often links to where the data lies. A link that leads back to a folder that
    it is in is not followed.
    """
    files = []
    above = {str(folder): {folder.resolve()}}
    for base, folders, names in os.walk(folder, followlinks=True):
        chain = above.pop(base)
        reals = {name: Path(base, name).resolve() for name in folders if not name.startswith(".")}
        folders[:] = [name for name, real in reals.items() if real not in chain]
        above |= {str(Path(base, name)): chain | {reals[name]} for name in folders}
        paths = (Path(base, name) for name in names if not name.startswith("."))
        files += [path for path in paths if path.is_file()]
    return sorted(files)
