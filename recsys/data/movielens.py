"""The MovieLens datasets: where they are published, and what their codes mean."""

from typing import NamedTuple

GENDERS = ("M", "F")  # code 0 male, 1 female, as in the tutorial
AGES = (1, 18, 25, 35, 45, 50, 56)  # ML-1M's codes are the lower bounds of its brackets, in years
MAX_AGE = 120
AGE_NAMES = ("under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56 and over")
_JOBS = (
    "other, academic/educator, artist, clerical/admin, college/grad student, customer service, "
    "doctor/health care, executive/managerial, farmer, homemaker, K-12 student, lawyer, "
    "programmer, retired, sales/marketing, scientist, self-employed, technician/engineer, "
    "tradesman/craftsman, unemployed, writer"
)
JOBS = tuple(_JOBS.split(", "))  # by ML-1M's codes, from 0 on
# ML-100K's occupations that are called otherwise; a "student" under 18 is a K-12 student.
OCCUPATIONS = {
    "administrator": "clerical/admin",
    "doctor": "doctor/health care",
    "educator": "academic/educator",
    "engineer": "technician/engineer",
    "entertainment": "artist",
    "executive": "executive/managerial",
    "healthcare": "doctor/health care",
    "librarian": "academic/educator",
    "marketing": "sales/marketing",
    "none": "unemployed",
    "salesman": "sales/marketing",
    "student": "college/grad student",
    "technician": "technician/engineer",
}
_GENRES = (
    "Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy Film-Noir Horror "
    "Musical Mystery Romance Sci-Fi Thriller War Western"
)
GENRES_100K = tuple(_GENRES.split())  # the columns of u.item, behind one for "unknown"


# What a query may say besides: MovieLens' codes of jobs, and the tutorial's of genders
CODES: dict[str, dict[str, str]] = {
    "gender": {"0": "M", "1": "F"},
    "age": {"56+": AGE_NAMES[-1]},
    "job": {str(code): job for code, job in enumerate(JOBS)},
}


class Source(NamedTuple):
    """One place a dataset can be had from, as an archive, and what proves it is the right one."""

    address: str  # a URL, or "pip:" and a pinned package whose wheel has the dataset in it
    checksum: str  # "md5:" or "sha256:" and the archive's digest, or "": changes now and then
    inside: str  # the folder in the archive that is kept, with a slash at its end


def _grouplens(name: str, checksum: str = "") -> tuple[Source, ...]:
    """Where GroupLens has a dataset.

    Its certificate has expired before; plain http is as good where a checksum decides.
    """
    address = f"://files.grouplens.org/datasets/movielens/{name}.zip"
    schemes = ("https", "http") if checksum else ("https",)
    return tuple(Source(f"{scheme}{address}", checksum, f"{name}/") for scheme in schemes)


_ML_1M = "md5:c4d9eecfca2ab87c1945afe126590906"
SOURCES = {
    "ml-1m": (
        *_grouplens("ml-1m", _ML_1M),
        Source("https://dataset.bj.bcebos.com/movielens%2Fml-1m.zip", _ML_1M, "ml-1m/"),
    ),
    "ml-100k": (
        *_grouplens("ml-100k", "md5:0e33842e24a9c977be4e0107933c0723"),
        Source(
            "pip:recbole==1.2.1",
            "sha256:9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
            "recbole/dataset_example/ml-100k/",
        ),
    ),
    "ml-latest-small": _grouplens("ml-latest-small"),
    "ml-25m": _grouplens("ml-25m", "md5:6b51fb2759a8657d3bfcbfc42b592ada"),
    "ml-32m": _grouplens("ml-32m", "md5:d472be332d4daa821edc399621853b57"),
}
