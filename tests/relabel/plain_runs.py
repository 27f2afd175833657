"""The published simulations once more, slow and plain, without a line of the package: what its runs are held to."""

import random

import numpy as np
from sklearn.metrics import f1_score, precision_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import SVC


class Plain:
    """Labels, features and clusters of a folder's parts as lists and arrays."""

    def __init__(self, folder, *, reassign):
        self.X = folder.train.features
        self.y = np.array(folder.train.table["label"])
        self.Xt = folder.test.features
        self.yt = np.array(folder.test.table["label"])
        self.ct = np.array(folder.test.table["cluster"])
        xy = np.concatenate([folder.test.xy, folder.unlabelled.xy])
        clusters = np.concatenate([self.ct, np.array(folder.unlabelled.table["cluster"])])
        self.c = nearest(xy, clusters, folder.train.xy)
        if reassign:
            for i in np.where(self.c == -1)[0]:
                self.c[i] = nearest(xy[clusters != -1], clusters[clusters != -1], folder.train.xy[i : i + 1])[0]


def nearest(points, clusters, query):
    return clusters[NearestNeighbors(n_neighbors=1).fit(points).kneighbors(query)[1][:, 0]].copy()


def svc(X, y):
    return SVC(kernel="rbf", C=1, gamma="scale", class_weight="balanced").fit(X, y)


def f1(y, p):
    if not y.any() and not p.any():
        return 1.0
    return f1_score(y, p, zero_division=0)


def metrics(plain, train, loop, drawn):
    p = svc(plain.X[train], plain.y[train]).predict(plain.Xt)
    rows = []
    for cluster in [None, *np.unique(plain.ct).tolist()]:
        inside = np.ones(len(p), bool) if cluster is None else plain.ct == cluster
        y, q = plain.yt[inside], p[inside]
        row = {
            "loop": loop,
            "cluster": cluster,
            "n_test": len(y),
            "n_train": len(train),
            "f1": f1(y, q),
            "precision": precision_score(y, q, zero_division=0),
            "recall": recall_score(y, q, zero_division=0),
            "balanced_accuracy": np.mean([(q[y == k] == k).mean() for k in (0, 1) if (y == k).any()]),
        }
        if cluster is None:
            row["rows"] = drawn
        rows.append(row)
    return rows


def monte_carlo_f1(plain, train):
    random.seed(42)
    labels, calls, clusters = [], [], []
    for state in random.sample(range(1, 200), 100):
        fit, held = train_test_split(train, test_size=0.1, random_state=state)
        calls += svc(plain.X[fit], plain.y[fit]).predict(plain.X[held]).tolist()
        labels += plain.y[held].tolist()
        clusters += plain.c[held].tolist()
    labels, calls, clusters = np.array(labels), np.array(calls), np.array(clusters)
    return {c: f1(labels[clusters == c], calls[clusters == c]) for c in np.unique(clusters).tolist()}


def numbers(scores, n):
    """n_i of each cluster, ascending, where no pool runs dry."""
    total = sum(1 - s for s in scores.values())
    found = {
        c: int(np.round((1 - s) / total * n)) if total else int(np.round(n / len(scores))) for c, s in scores.items()
    }
    found[min(scores, key=lambda c: (scores[c], c))] += n - sum(found.values())
    return found


def sim1(folder, seed, *, specific, start, step, loops):
    plain = Plain(folder, reassign=True)
    random.seed(seed)
    train = random.sample(list(range(len(plain.y))), start)
    pool = [i for i in range(len(plain.y)) if i not in train]
    records = metrics(plain, train, 0, train)
    for loop in range(1, loops + 1):
        drawn = []
        if specific:
            scores = monte_carlo_f1(plain, train)
            for c in np.unique(plain.c).tolist():
                scores.setdefault(c, 0.0)
            for c, n in numbers(dict(sorted(scores.items())), step).items():
                random.seed(seed)
                drawn += random.sample([i for i in pool if plain.c[i] == c], n)
        else:
            random.seed(seed)
            drawn = random.sample(pool, step)
        train = train + drawn
        pool = [i for i in pool if i not in drawn]
        records += metrics(plain, train, loop, drawn)
    return records


def sim2(folder, seed, *, specific, main, cap, loops=4):
    plain = Plain(folder, reassign=False)
    parts = {}
    for c in np.unique(plain.c).tolist():
        rows = np.where(plain.c == c)[0].tolist()
        random.Random(seed).shuffle(rows)
        random.seed(seed)
        drawn = random.sample(rows, round(0.8 * len(rows)))
        parts[c] = drawn, list(set(rows) - set(drawn))
    others = [c for c in parts if c != main]
    left_out, kept = parts[main]
    start = kept + [i for c in others for i in parts[c][0]]
    random.seed(seed)
    random_pool = random.sample(left_out, len(kept)) + [i for c in others for i in parts[c][1]]
    size = len(kept)
    if cap and len(left_out) > len(random_pool):
        random.seed(42)
        left_out = random.sample(left_out, len(random_pool))
        size = int(np.round(len(left_out) / 4))
    sizes = [size] * (loops - 1)
    sizes.append(len(left_out) - sum(sizes))
    train, pool = start, left_out if specific else random_pool
    records = metrics(plain, train, 0, start)
    for loop, n in enumerate(sizes, 1):
        random.seed(seed)
        drawn = random.sample(pool, min(n, len(pool)))
        train, pool = train + drawn, [i for i in pool if i not in drawn]
        records += metrics(plain, train, loop, drawn)
    return records


def real(folder, seed, *, specific, step, loops):
    """Answers stand in the column `expert` of the unlabelled cells."""
    plain = Plain(folder, reassign=False)
    pool, answers = folder.unlabelled.features, list(folder.unlabelled.table["expert"])
    cluster_of, free = np.array(folder.unlabelled.table["cluster"]), list(range(len(answers)))
    added, records = [], []
    for loop in range(loops + 1):
        X = np.concatenate([plain.X, pool[added]])
        y = np.concatenate([plain.y, np.array([answers[i] for i in added], int)])
        model = svc(X, y)
        p, q = model.predict(plain.Xt), model.predict(pool)
        found = {c: f1(plain.yt[plain.ct == c], p[plain.ct == c]) for c in np.unique(plain.ct).tolist()}
        weakest = min(found, key=lambda c: (found[c], c))
        wrong = p[(plain.ct == weakest) & (p != plain.yt)].tolist()
        call = None if not wrong else int(wrong.count(1) > wrong.count(0))
        shown = [i for i in free if (not specific or cluster_of[i] == weakest) and (call is None or q[i] == call)]
        random.seed(seed)
        gallery = random.sample(shown, min(1000, len(shown)))
        records.append(
            {
                "loop": loop,
                "n_train": len(y),
                "f1": f1(plain.yt, p),
                "clusters": found,
                "added": added[:],
                "shown": gallery,
            }
        )
        read = gallery[:step]
        free = [i for i in free if i not in read]
        added = added + [i for i in read if answers[i] in (0, 1) and answers[i] != q[i]]
    return records
