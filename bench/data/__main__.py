"""Writes the section "Measured" of a page from the figures that `ebb bench data` kept.

`ebb bench data --page` starts it, when all parts are measured.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "command"), str(HERE.parent / "pages")]

import data_page  # noqa: E402
import main_program  # noqa: E402
import options  # noqa: E402
import page_writer  # noqa: E402


def main() -> int:
    parser = options.Parser("ebb bench data", "Writes the section of a page")
    parser.add_argument("--folder", type=Path, required=True, help="folder that keeps the figures")
    parser.add_argument("--page", type=Path, required=True, help="page with the section")
    parser.add_argument("--exit-code", type=int, default=0, help="what to end with")
    flags = parser.parse_args()
    page_writer.check(flags.page)
    before = flags.page.read_text()
    section, images = data_page.section(data_page.read_parts(flags.folder))
    page_writer.write(flags.page, data_page.with_section(before, section), images)
    print(f"written: {flags.page}")
    code: int = flags.exit_code
    return code


if __name__ == "__main__":
    main_program.run(main)
