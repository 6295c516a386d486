"""Classifiers and regressors of scikit-learn, XGBoost and LightGBM, on scikit-learn's own data.

Trained where they are exported: a few rows that were held out are the inputs, and the share that
is labelled right, or the coefficient of determination, is the accuracy.
"""

import numpy as np
from sklearn import datasets, ensemble, linear_model, pipeline, preprocessing

SEED = 20260501


def _split(load):
    table, target = load(return_X_y=True)
    order = np.random.RandomState(SEED % 2**31).permutation(len(table))
    table, target = table[order].astype("float32"), target[order]
    return table[:-32], target[:-32], table[-32:], target[-32:]


def _made(model, load):
    table, target, held, right = _split(load)
    model.fit(table, target)

    def share(outputs, _):
        return np.mean(np.asarray(outputs[0]).reshape(-1) == right)

    def explained(outputs, _):
        found = np.asarray(outputs[0]).reshape(-1)
        return 1 - np.sum((found - right) ** 2) / np.sum((right - right.mean()) ** 2)

    accuracy = share if hasattr(model, "predict_proba") else explained
    return model, {"X": held}, accuracy


def logistic():
    """scikit-learn: scaled features and a logistic regression on the wine table."""
    steps = preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=500)
    return _made(pipeline.make_pipeline(*steps), datasets.load_wine)


def forest():
    """scikit-learn: a forest of regression trees on the diabetes table."""
    model = ensemble.RandomForestRegressor(n_estimators=10, max_depth=5, random_state=1)
    return _made(model, datasets.load_diabetes)


def boosted_classifier():
    """XGBoost: breast cancer."""
    from xgboost import XGBClassifier

    model = XGBClassifier(n_estimators=20, max_depth=3, random_state=1, n_jobs=1)
    return _made(model, datasets.load_breast_cancer)


def boosted_regressor():
    """XGBoost: diabetes."""
    from xgboost import XGBRegressor

    model = XGBRegressor(n_estimators=20, max_depth=3, random_state=1, n_jobs=1)
    return _made(model, datasets.load_diabetes)


def leaves():
    """LightGBM: wine, three classes."""
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(n_estimators=10, num_leaves=7, random_state=1, n_jobs=1, verbose=-1)
    return _made(model, datasets.load_wine)
