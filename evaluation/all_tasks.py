"""Every task by its name in a recipe."""

from typing import Final

from evaluation.settings import TaskName
from evaluation.task import Task
from evaluation.tasks.cbt import CBT_CN, CBT_NE
from evaluation.tasks.characters import ENWIK8, TEXT8
from evaluation.tasks.cnndm import CNNDM
from evaluation.tasks.coqa import COQA
from evaluation.tasks.heldout import HELDOUT
from evaluation.tasks.lambada import LAMBADA
from evaluation.tasks.lm1b import LM1B
from evaluation.tasks.nq_open import NQ_OPEN
from evaluation.tasks.ptb import PTB
from evaluation.tasks.wikitext import WIKITEXT2, WIKITEXT103
from evaluation.tasks.winograd import WINOGRAD
from evaluation.tasks.wmt14 import WMT14_EN_FR, WMT14_FR_EN

TASKS: Final[dict[TaskName, Task]] = {
    "heldout": HELDOUT,
    "lambada": LAMBADA,
    "cbt_cn": CBT_CN,
    "cbt_ne": CBT_NE,
    "wikitext2": WIKITEXT2,
    "ptb": PTB,
    "enwik8": ENWIK8,
    "text8": TEXT8,
    "wikitext103": WIKITEXT103,
    "lm1b": LM1B,
    "wsc273": WINOGRAD,
    "coqa": COQA,
    "nq_open": NQ_OPEN,
    "cnndm": CNNDM,
    "wmt14_en_fr": WMT14_EN_FR,
    "wmt14_fr_en": WMT14_FR_EN,
}
