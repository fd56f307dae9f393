/** The HTTP frameworks, in the newest versions that run on Node 20. */
export const FRAMEWORKS = {
  "@hono/node-server": "2.1.9",
  "@koa/router": "15.7.0",
  "@types/express": "5.0.6",
  "@types/koa": "3.0.3",
  express: "5.3.0",
  "express-4": "npm:express@4.22.3",
  fastify: "5.12.8",
  hono: "4.13.19",
  koa: "3.3.0",
};
