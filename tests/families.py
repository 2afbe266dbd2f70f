"""One small dataset of each family of files, as bytes by file name."""

from pathlib import Path

DAT = {
    "movies.dat": b"1::Toy Story (1995)::Animation|Comedy\n"
    b"3::Mis\xe9rables, Les (1995)::Drama\n"
    b"7::Heat (1995)::Action|Crime\n",
    "users.dat": b"1::F::1::10::48067\n2::M::56::16::70072\n5::M::25::15::55117\n",
    "ratings.dat": b"1::1::5::978300760\n1::3::3::978302109\n2::1::4::978301968\n"
    b"2::7::2::978300275\n5::3::1::978824291\n5::7::4::978302268\n",
}
FLAGS = b"|0" * 18
U = {
    "u.item": b"1|Toy Story (1995)|01-Jan-1995||http://x|0" + FLAGS + b"\n"
    b"3|unknown||||1" + FLAGS + b"\n",
    "u.user": b"1|24|M|technician|85711\n2|13|F|student|94043\n",
    "u.data": b"1\t1\t3\t881250949\n2\t3\t4\t891717742\n",
}
ATOMIC = {
    "x.item": b"item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    b"1\tToy Story\t1995\tAnimation Comedy\n3\tHeat\t1995\tAction Crime\n",
    "x.user": b"user_id:token\tage:token\tgender:token\toccupation:token\n"
    b"1\t24\tM\tother\n2\t\t\t\n",
    "x.inter": b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    b"1\t1\t3\t881250949\n2\t3\t4\t891717742\n",
}
CSV = {
    "movies.csv": b"movieId,title,genres\n10,Toy Story (1995),Comedy\n30,M (1931),Crime\n",
    "ratings.csv": b"userId,movieId,rating,timestamp\n1,10,4.0,964982703\n1,30,3.5,964981247\n"
    b"7,10,0.5,1064981247\n",
}
FAMILIES = DAT, U, ATOMIC, CSV


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder
