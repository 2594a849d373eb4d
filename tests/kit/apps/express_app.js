// The application of application.py in Express: express-session on connect-redis, with node-redis or ioredis (CLIENT).
const express = require('express')
const session = require('express-session')

const door = Number(process.env.DOOR)

async function makeStore () {
  if (process.env.CLIENT === 'ioredis') {
    const { Redis } = require('ioredis')
    const RedisStore = require('connect-redis-7').default // the last that takes ioredis
    return new RedisStore({ client: new Redis(door) })
  }
  const { createClient } = require('redis')
  const { RedisStore } = require('connect-redis')
  const client = createClient({ url: `redis://127.0.0.1:${door}` })
  client.on('error', () => {}) // it connects again by itself
  await client.connect()
  return new RedisStore({ client })
}

function who (req, res) {
  res.send(req.session.name || 'nobody')
}

makeStore().then((store) => {
  const app = express()
  const maxAge = Number(process.env.LIFETIME) * 1000
  app.use(session({ store, secret: 'of no worth', resave: false, saveUninitialized: false, cookie: { maxAge } }))
  app.get('/who', who)
  app.post('/login', (req, res, next) => req.session.regenerate((error) => {
    if (error) return next(error)
    req.session.name = req.query.name
    req.session.count = 0
    who(req, res)
  }))
  app.post('/count', (req, res) => {
    if (!req.session.name) return who(req, res)
    req.session.count++
    res.send(String(req.session.count))
  })
  app.post('/renew', (req, res, next) => {
    const { name, count } = req.session
    req.session.regenerate((error) => {
      if (error) return next(error)
      Object.assign(req.session, { name, count })
      who(req, res)
    })
  })
  app.post('/logout', (req, res, next) => req.session.destroy((error) => error ? next(error) : res.send('nobody')))
  app.listen(Number(process.argv[2]), '127.0.0.1')
})
