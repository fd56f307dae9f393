// What compilers make of one class where the target has no async functions and no async generators; the text is each
// compiler's own.

/** The class as it was written. */
export const WRITTEN = `class Trainer {
  async stream(epochs, lr = 0.5) { return { loss: epochs * lr }; }
  async plain(epochs, lr) { return { loss: epochs * lr }; }
  async apart({ a, b }, ...rest) { return a + b + rest.length; }
  async left({ a, ...others }, last) { return a + last; }
  async uses(x) { return x + arguments.length; }
  static async all(x = 1, y) { return x; }
  async inner(x) { const twice = async (q = 1, w = 2) => q + w; return twice(x); }
  async *steps(epochs, lr = 0.5) {
    for (let i = 0; i < epochs; i++) { if (lr < 0) throw new RangeError("lr"); await null; yield { loss: lr / (i + 1) }; }
  }
  async *bare(epochs, lr) { yield epochs * lr; }
  *sync(epochs, lr = 0.5) { yield epochs * lr; }
}
const arrow = async (epochs, lr = 0.5) => ({ loss: epochs * lr });
const short = async (epochs) => epochs;`;

/** The parameters that were written. */
export const PARAMETERS: Readonly<Record<string, readonly (string | null)[]>> = {
  stream: ["epochs", "lr"],
  plain: ["epochs", "lr"],
  apart: [null, "rest"],
  left: [null, "last"],
  uses: ["x"],
  all: ["x", "y"],
  inner: ["x"],
  steps: ["epochs", "lr"],
  bare: ["epochs", "lr"],
  sync: ["epochs", "lr"],
  arrow: ["epochs", "lr"],
  short: ["epochs"],
};

/** Async generators among them. */
export const GENERATORS: readonly string[] = ["steps", "bare"];

/** tsc 5.9, `target: "ES2015"`, helpers and all. */
export const TSC_ES2015 = `var __awaiter = (this && this.__awaiter) || function (thisArg, _arguments, P, generator) {
    function adopt(value) { return value instanceof P ? value : new P(function (resolve) { resolve(value); }); }
    return new (P || (P = Promise))(function (resolve, reject) {
        function fulfilled(value) { try { step(generator.next(value)); } catch (e) { reject(e); } }
        function rejected(value) { try { step(generator["throw"](value)); } catch (e) { reject(e); } }
        function step(result) { result.done ? resolve(result.value) : adopt(result.value).then(fulfilled, rejected); }
        step((generator = generator.apply(thisArg, _arguments || [])).next());
    });
};
var __rest = (this && this.__rest) || function (s, e) {
    var t = {};
    for (var p in s) if (Object.prototype.hasOwnProperty.call(s, p) && e.indexOf(p) < 0)
        t[p] = s[p];
    if (s != null && typeof Object.getOwnPropertySymbols === "function")
        for (var i = 0, p = Object.getOwnPropertySymbols(s); i < p.length; i++) {
            if (e.indexOf(p[i]) < 0 && Object.prototype.propertyIsEnumerable.call(s, p[i]))
                t[p[i]] = s[p[i]];
        }
    return t;
};
var __await = (this && this.__await) || function (v) { return this instanceof __await ? (this.v = v, this) : new __await(v); }
var __asyncGenerator = (this && this.__asyncGenerator) || function (thisArg, _arguments, generator) {
    if (!Symbol.asyncIterator) throw new TypeError("Symbol.asyncIterator is not defined.");
    var g = generator.apply(thisArg, _arguments || []), i, q = [];
    return i = Object.create((typeof AsyncIterator === "function" ? AsyncIterator : Object).prototype), verb("next"), verb("throw"), verb("return", awaitReturn), i[Symbol.asyncIterator] = function () { return this; }, i;
    function awaitReturn(f) { return function (v) { return Promise.resolve(v).then(f, reject); }; }
    function verb(n, f) { if (g[n]) { i[n] = function (v) { return new Promise(function (a, b) { q.push([n, v, a, b]) > 1 || resume(n, v); }); }; if (f) i[n] = f(i[n]); } }
    function resume(n, v) { try { step(g[n](v)); } catch (e) { settle(q[0][3], e); } }
    function step(r) { r.value instanceof __await ? Promise.resolve(r.value.v).then(fulfill, reject) : settle(q[0][2], r); }
    function fulfill(value) { resume("next", value); }
    function reject(value) { resume("throw", value); }
    function settle(f, v) { if (f(v), q.shift(), q.length) resume(q[0][0], q[0][1]); }
};
class Trainer {
    stream(epochs_1) {
        return __awaiter(this, arguments, void 0, function* (epochs, lr = 0.5) { return { loss: epochs * lr }; });
    }
    plain(epochs, lr) {
        return __awaiter(this, void 0, void 0, function* () { return { loss: epochs * lr }; });
    }
    apart(_a) {
        return __awaiter(this, arguments, void 0, function* ({ a, b }, ...rest) { return a + b + rest.length; });
    }
    left(_a, last) {
        return __awaiter(this, void 0, void 0, function* () { var { a } = _a, others = __rest(_a, ["a"]); return a + last; });
    }
    uses(x) {
        var arguments_1 = arguments;
        return __awaiter(this, void 0, void 0, function* () { return x + arguments_1.length; });
    }
    static all() {
        return __awaiter(this, arguments, void 0, function* (x = 1, y) { return x; });
    }
    inner(x) {
        return __awaiter(this, void 0, void 0, function* () { const twice = (...args_1) => __awaiter(this, [...args_1], void 0, function* (q = 1, w = 2) { return q + w; }); return twice(x); });
    }
    steps(epochs_1) {
        return __asyncGenerator(this, arguments, function* steps_1(epochs, lr = 0.5) {
            for (let i = 0; i < epochs; i++) {
                if (lr < 0)
                    throw new RangeError("lr");
                yield __await(null);
                yield yield __await({ loss: lr / (i + 1) });
            }
        });
    }
    bare(epochs, lr) { return __asyncGenerator(this, arguments, function* bare_1() { yield yield __await(epochs * lr); }); }
    *sync(epochs, lr = 0.5) { yield epochs * lr; }
}
const arrow = (epochs_1, ...args_1) => __awaiter(this, [epochs_1, ...args_1], void 0, function* (epochs, lr = 0.5) { return ({ loss: epochs * lr }); });
const short = (epochs) => __awaiter(this, void 0, void 0, function* () { return epochs; });`;

/** tsc 5.9, `target: "ES2017"`. */
export const TSC_ES2017 = `var __rest = (this && this.__rest) || function (s, e) {
    var t = {};
    for (var p in s) if (Object.prototype.hasOwnProperty.call(s, p) && e.indexOf(p) < 0)
        t[p] = s[p];
    if (s != null && typeof Object.getOwnPropertySymbols === "function")
        for (var i = 0, p = Object.getOwnPropertySymbols(s); i < p.length; i++) {
            if (e.indexOf(p[i]) < 0 && Object.prototype.propertyIsEnumerable.call(s, p[i]))
                t[p[i]] = s[p[i]];
        }
    return t;
};
var __await = (this && this.__await) || function (v) { return this instanceof __await ? (this.v = v, this) : new __await(v); }
var __asyncGenerator = (this && this.__asyncGenerator) || function (thisArg, _arguments, generator) {
    if (!Symbol.asyncIterator) throw new TypeError("Symbol.asyncIterator is not defined.");
    var g = generator.apply(thisArg, _arguments || []), i, q = [];
    return i = Object.create((typeof AsyncIterator === "function" ? AsyncIterator : Object).prototype), verb("next"), verb("throw"), verb("return", awaitReturn), i[Symbol.asyncIterator] = function () { return this; }, i;
    function awaitReturn(f) { return function (v) { return Promise.resolve(v).then(f, reject); }; }
    function verb(n, f) { if (g[n]) { i[n] = function (v) { return new Promise(function (a, b) { q.push([n, v, a, b]) > 1 || resume(n, v); }); }; if (f) i[n] = f(i[n]); } }
    function resume(n, v) { try { step(g[n](v)); } catch (e) { settle(q[0][3], e); } }
    function step(r) { r.value instanceof __await ? Promise.resolve(r.value.v).then(fulfill, reject) : settle(q[0][2], r); }
    function fulfill(value) { resume("next", value); }
    function reject(value) { resume("throw", value); }
    function settle(f, v) { if (f(v), q.shift(), q.length) resume(q[0][0], q[0][1]); }
};
class Trainer {
    async stream(epochs, lr = 0.5) { return { loss: epochs * lr }; }
    async plain(epochs, lr) { return { loss: epochs * lr }; }
    async apart({ a, b }, ...rest) { return a + b + rest.length; }
    async left(_a, last) { var { a } = _a, others = __rest(_a, ["a"]); return a + last; }
    async uses(x) { return x + arguments.length; }
    static async all(x = 1, y) { return x; }
    async inner(x) { const twice = async (q = 1, w = 2) => q + w; return twice(x); }
    steps(epochs_1) {
        return __asyncGenerator(this, arguments, function* steps_1(epochs, lr = 0.5) {
            for (let i = 0; i < epochs; i++) {
                if (lr < 0)
                    throw new RangeError("lr");
                yield __await(null);
                yield yield __await({ loss: lr / (i + 1) });
            }
        });
    }
    bare(epochs, lr) { return __asyncGenerator(this, arguments, function* bare_1() { yield yield __await(epochs * lr); }); }
    *sync(epochs, lr = 0.5) { yield epochs * lr; }
}
const arrow = async (epochs, lr = 0.5) => ({ loss: epochs * lr });
const short = async (epochs) => epochs;`;

/** swc 1.16, `target: "es2015"`, without its helpers. */
export const SWC = `class Trainer {
    stream(epochs, lr = 0.5) {
        return _async_to_generator(function*() {
            return {
                loss: epochs * lr
            };
        })();
    }
    plain(epochs, lr) {
        return _async_to_generator(function*() {
            return {
                loss: epochs * lr
            };
        })();
    }
    apart(_0) {
        return _async_to_generator(function*({ a, b }, ...rest) {
            return a + b + rest.length;
        }).apply(this, arguments);
    }
    left(_0, _1) {
        return _async_to_generator(function*() {
            let _ref = [
                _0,
                _1
            ], [_ref1, ..._rest] = _ref, { a } = _ref1, others = _object_without_properties(_ref1, [
                "a"
            ]), [last] = _rest;
            return a + last;
        })();
    }
    uses(_0) {
        return _async_to_generator(function*(x) {
            return x + arguments.length;
        }).apply(this, arguments);
    }
    static all(x = 1, y) {
        return _async_to_generator(function*() {
            return x;
        })();
    }
    inner(x) {
        return _async_to_generator(function*() {
            const twice = (q = 1, w = 2)=>_async_to_generator(function*() {
                    return q + w;
                })();
            return twice(x);
        })();
    }
    steps(epochs, lr = 0.5) {
        return _wrap_async_generator(function*() {
            for(let i = 0; i < epochs; i++){
                if (lr < 0) throw new RangeError("lr");
                yield _await_async_generator(null);
                yield {
                    loss: lr / (i + 1)
                };
            }
        })();
    }
    bare(epochs, lr) {
        return _wrap_async_generator(function*() {
            yield epochs * lr;
        })();
    }
    *sync(epochs, lr = 0.5) {
        yield epochs * lr;
    }
}
const arrow = (epochs, lr = 0.5)=>_async_to_generator(function*() {
        return {
            loss: epochs * lr
        };
    })();
const short = (epochs)=>_async_to_generator(function*() {
        return epochs;
    })();`;

/** Babel 7.29, preset-env for Node 6, without its helpers. */
export const BABEL = `class Trainer {
  stream(_x2) {
    return _asyncToGenerator(function* (epochs, lr = 0.5) {
      return {
        loss: epochs * lr
      };
    }).apply(this, arguments);
  }
  plain(epochs, lr) {
    return _asyncToGenerator(function* () {
      return {
        loss: epochs * lr
      };
    })();
  }
  apart(_x3) {
    return _asyncToGenerator(function* ({
      a,
      b
    }, ...rest) {
      return a + b + rest.length;
    }).apply(this, arguments);
  }
  left(_ref, last) {
    return _asyncToGenerator(function* () {
      let a = _ref.a,
        others = _objectWithoutProperties(_ref, _excluded);
      return a + last;
    })();
  }
  uses(x) {
    var _arguments = arguments;
    return _asyncToGenerator(function* () {
      return x + _arguments.length;
    })();
  }
  static all() {
    return _asyncToGenerator(function* (x = 1, y) {
      return x;
    }).apply(this, arguments);
  }
  inner(x) {
    return _asyncToGenerator(function* () {
      const twice = /*#__PURE__*/function () {
        var _ref2 = _asyncToGenerator(function* (q = 1, w = 2) {
          return q + w;
        });
        return function twice() {
          return _ref2.apply(this, arguments);
        };
      }();
      return twice(x);
    })();
  }
  steps(_x) {
    return _wrapAsyncGenerator(function* (epochs, lr = 0.5) {
      for (let i = 0; i < epochs; i++) {
        if (lr < 0) throw new RangeError("lr");
        yield _awaitAsyncGenerator(null);
        yield {
          loss: lr / (i + 1)
        };
      }
    }).apply(this, arguments);
  }
  bare(epochs, lr) {
    return _wrapAsyncGenerator(function* () {
      yield epochs * lr;
    })();
  }
  *sync(epochs, lr = 0.5) {
    yield epochs * lr;
  }
}
const arrow = /*#__PURE__*/function () {
  var _ref3 = _asyncToGenerator(function* (epochs, lr = 0.5) {
    return {
      loss: epochs * lr
    };
  });
  return function arrow(_x4) {
    return _ref3.apply(this, arguments);
  };
}();
const short = /*#__PURE__*/function () {
  var _ref4 = _asyncToGenerator(function* (epochs) {
    return epochs;
  });
  return function short(_x5) {
    return _ref4.apply(this, arguments);
  };
}();`;
