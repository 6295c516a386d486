"""scikit-learn's own estimators: `.skops`, and pickles where a matrix allows them.

`.skops` is the format of choice: it is read with the types that skops itself trusts, and a file
with others is refused in skops' words. `.joblib` and `.pkl` run whatever code they carry, with the
rights of the cell; the option `pickle: allow` says that one wants that.

The input is `X`. Outputs: `label` and `probabilities` of a classifier that has them, `variable` of
a regressor, a transformer or a cluster model; a table of several outputs stays one. The provider
is `cpu`. Options: `threads` (of BLAS and OpenMP, where threadpoolctl is there), `pickle`.
"""

from ._plain import array, file_of, only, positive, value, version_of, written_off

__all__ = ["Adapter"]

_PICKLES = (".joblib", ".pkl", ".pickle")
_OPTIONS = {"pickle": ("refuse", "allow")}


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        import sklearn

        self.sklearn = sklearn

    def info(self):
        """Version."""
        return {
            "runtime": "sklearn",
            "version": version_of(self.distribution, self.sklearn.__version__),
            "providers": ["cpu"],
            "devices": ["CPU"],
            "limits": {},
        }

    def check(self, options):
        """ValueError for an option that is none."""
        only("sklearn", options, _OPTIONS)

    def unavailable(self, provider, options):
        """There is one provider."""
        return None if provider == "cpu" else "scikit-learn runs on cpu, not on " + provider

    def load(self, model, provider, options):
        """Read the file."""
        told = only("sklearn", options, _OPTIONS)
        path = file_of("sklearn", model, (".skops", *_PICKLES))
        if path.endswith(".skops"):
            import skops.io

            estimator = skops.io.load(path)
        elif told.get("pickle") != "allow":
            raise ValueError(
                "a pickle runs the code in it: allow that by the option `pickle: allow`,"
                " or save the estimator with skops"
            )
        else:
            import joblib

            estimator = joblib.load(path)
        return Session(estimator, positive("threads", told.get("threads", "1")))


class Session:
    """One estimator."""

    def __init__(self, estimator, threads):
        self._estimator = estimator
        self._threads = threads

    def assign(self):
        """There is nothing to place."""

    def inputs(self):
        """One table."""
        return ["X"]

    def signature(self):
        """[("X", "float64", (rows, features))].

        Raises:
            ValueError: the estimator keeps no number of features.
        """
        features = getattr(self._estimator, "n_features_in_", None)
        if features is None:
            raise ValueError("this estimator keeps no number of features: give `data`")
        return [("X", "float64", ("rows", int(features)))]

    def run(self, feeds):
        """Predict once."""
        written_off(["X"], feeds)
        table = array("sklearn", feeds["X"])
        with _limited(self._threads):
            return [(name, value(found)) for name, found in self._answers(table)]

    def _answers(self, table):
        estimator = self._estimator
        if hasattr(estimator, "predict_proba"):
            yield "label", estimator.predict(table)
            yield "probabilities", estimator.predict_proba(table)
        elif hasattr(estimator, "predict"):
            kind = "label" if hasattr(estimator, "classes_") else "variable"
            yield kind, estimator.predict(table)
        else:
            found = estimator.transform(table)
            yield "variable", found.toarray() if hasattr(found, "toarray") else found

    def placement(self):
        """{cpu: steps}."""
        return {"cpu": len(getattr(self._estimator, "steps", (self._estimator,)))}

    def opset(self):
        """There is none."""
        return 0

    def close(self):
        """Release the estimator."""
        self._estimator = None


def _limited(threads):
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        from contextlib import ExitStack

        return ExitStack()
    return threadpool_limits(threads)
