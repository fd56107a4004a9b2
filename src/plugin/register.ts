import { mapModules } from './load.ts'

/** `node --import` of this file: `davit/plugin` and `davit/plugin/testing` are there for whatever runs then, as for the tests of a plugin. */
mapModules()
